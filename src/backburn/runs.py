"""The run directory: written whole or not at all, and nothing in it is pickled."""

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec
import torch

from .errors import InputError
from .markup import Facts, Shown

RECORD = "record.json"
PACKAGES = ("backburn", "torch", "numpy", "datasets", "scikit-learn", "scipy", "safetensors")


@dataclass(frozen=True, slots=True)
class Record(Shown):
    """What made a run: enough to repeat it.

    `memory`: peak resident MiB, where it was measured; `digest`: see `sealed`.
    """

    command: str
    arguments: dict[str, Any]
    seed: int
    created: str
    seconds: dict[str, float]
    metrics: dict[str, Any]
    versions: dict[str, str]
    commit: str | None
    device: str
    threads: int
    memory: int | None = None
    digest: str = ""

    def facts(self) -> Facts:
        """What was run on what and when, what it took, and what came of it."""
        yield "command", self.command
        yield "arguments", self.arguments
        for name in ("seed", "created", "device", "commit", "seconds"):
            yield name, getattr(self, name)
        yield from ((k, v) for k, v in self.metrics.items() if v not in (None, [], ""))


@dataclass(slots=True)
class Stopwatch:
    """Seconds a phase, in the order they were first timed."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[phase] = self.seconds.get(phase, 0.0) + spent


def new_record(
    command: str,
    arguments: dict[str, Any],
    seed: int,
    seconds: dict[str, float],
    metrics: dict[str, Any],
    device: str,
) -> Record:
    """A record of this machine and moment."""
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Record(
        command,
        arguments,
        seed,
        created,
        {phase: round(spent, 3) for phase, spent in seconds.items()},
        metrics,
        versions(),
        commit(),
        device,
        torch.get_num_threads(),
    )


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """Commit of the backburn checkout, `+` behind it where files differ; None outside of one."""
    here = Path(__file__).resolve().parent
    if _git(here, "ls-files", "--error-unmatch", __file__) is None:
        return None
    head = _git(here, "rev-parse", "--short=12", "HEAD")
    changed = _git(here, "status", "--porcelain", "--", str(here))
    return head and head + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, or None where git is missing or says no."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def plan_run(out: str | Path | None, command: str, option: str = "--out") -> Path:
    """Where a run will be written: `out`, or a fresh `runs/COMMAND-DATE-TIME`. Creates nothing.

    `option` is what the user calls the place.

    Raises:
        InputError: something is there already, or the place cannot be written to.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    path = Path(out) if out is not None else _fresh(Path("runs") / f"{command}-{stamp}")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} exists already and is not empty: give another {option}")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"{path} cannot be written: {parent} is not a writable folder")
    return path


def plan_work(out: str | Path | None) -> Path | None:
    """Where a run that was given a name keeps what is done of it: beside it, hidden."""
    if out is None:
        return None
    final = Path(out).resolve()
    return final.with_name(f".{final.name}-work")


def drop_work(out: str | Path | None) -> None:
    """Delete it, once the run is written."""
    folder = plan_work(out)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _fresh(path: Path) -> Path:
    twins = (path.with_name(f"{path.name}-{n}") for n in range(2, 1000))
    return path if not path.exists() else next(twin for twin in twins if not twin.exists())


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A hidden folder to write in, which gets the name `path` at the end and goes on an error."""
    final = path.resolve()  # a link or "." cannot be renamed onto
    final.parent.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}-"))
    try:
        yield hidden
        hidden.chmod(0o755)
        hidden.rename(final)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is either as it was before, or whole, whenever the machine stops.

    Raises:
        InputError: it cannot be written.
    """
    hidden = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with hidden.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        hidden.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        hidden.unlink(missing_ok=True)


def write_run(path: Path, record: Record, files: Mapping[str, bytes]) -> Path:
    """Write all files and the record, and only then give the folder its name.

    Args:
        files: contents by path below the folder.
    """
    with whole_folder(path) as hidden:
        for name, content in {**files, RECORD: to_json(record)}.items():
            (hidden / name).parent.mkdir(parents=True, exist_ok=True)
            with (hidden / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
    return path


def plan_file(path: Path) -> None:
    """See that a file can be written there. Creates nothing.

    Raises:
        InputError: something is there already, or the place cannot be written to.
    """
    if path.exists() or path.is_symlink():
        raise InputError(f"{path} exists already: give another --out")
    parent = path.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"{path} cannot be written: {parent} is not a writable folder")


def read_record(path: Path) -> Record:
    """The record of a finished run.

    Raises:
        InputError: no run there, or a record that cannot be read.
    """
    file = path / RECORD
    if not file.is_file():
        raise InputError(f"no run at {path}: it has no {RECORD}")
    try:
        return msgspec.json.decode(file.read_bytes(), type=Record)
    except (msgspec.MsgspecError, OSError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error


def sealed(record: Record) -> Record:
    """The record with the SHA-256 of everything else in it."""
    return replace(record, digest=_digest(record))


def read_sealed(file: Path) -> Record:
    """A record that `sealed` made; older ones have no digest to be held against.

    Raises:
        InputError: it cannot be read, or was changed since it was made.
    """
    try:
        record = msgspec.json.decode(file.read_bytes(), type=Record)
    except (msgspec.MsgspecError, OSError) as error:
        raise InputError(
            f"{file} cannot be read: {error}; delete it, and it is made again"
        ) from error
    if record.digest and record.digest != _digest(record):
        raise InputError(f"{file} was changed since it was made: delete it, and it is made again")
    return record


def _digest(record: Record) -> str:
    return hashlib.sha256(msgspec.json.encode(replace(record, digest=""))).hexdigest()


def to_json(value: Any) -> bytes:
    """Indented JSON of records and plain values; NaN and infinities become null."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"

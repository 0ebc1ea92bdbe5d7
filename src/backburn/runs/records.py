"""What made a run, and how it is read and written: JSON, and nothing pickled."""

import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..html_tables import Facts, Shown
from .json_text import from_json
from .safe_files import own

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


def new_record(
    command: str,
    arguments: dict[str, Any],
    seed: int,
    seconds: dict[str, float],
    metrics: dict[str, Any],
    device: str,
) -> Record:
    """A record of this machine and moment."""
    import torch  # a list of runs is shown without it

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
    here = Path(__file__).resolve().parents[1]
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


def table_in(metrics: dict[str, Any], name: str) -> dict[str, Any]:
    """What a record has under a name, where that is a table; of a stranger's it may be anything."""
    found = metrics.get(name)
    return found if isinstance(found, dict) else {}


def read_record(path: Path) -> Record:
    """The record of a finished run.

    Raises:
        InputError: no run there, or a record that cannot be read.
    """
    file = own(path, RECORD)
    if not file.is_file():
        raise InputError(f"no run at {path}: it has no {RECORD}")
    try:
        return from_json(file.read_bytes(), Record)
    except (ValueError, OSError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error

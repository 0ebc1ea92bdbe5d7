"""The record of a run: what made it and its metrics, as JSON."""

import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..html_tables import Facts, HtmlRecord
from .json_text import from_json
from .safe_files import path_in_run

RECORD = "record.json"
PACKAGES = ("backburn", "torch", "numpy", "datasets", "scikit-learn", "scipy", "safetensors")


@dataclass(frozen=True, slots=True)
class Record(HtmlRecord):
    """What made a run, enough to repeat it, and its metrics.

    Args:
        command: name of the CLI command.
        arguments: of the command, by name.
        created: ISO 8601 time in UTC.
        seconds: spent in each phase.
        metrics: results, by name.
        versions: of Python and the packages that results depend on.
        commit: see `git_commit`.
        device: that the model ran on.
        threads: of torch.
        memory: peak resident MiB, where it was measured.
        digest: see `with_checksum`.
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
        """Rows of the record's table: command, arguments, environment, and metrics."""
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
    """A record with the current time, versions, commit and threads filled in."""
    import torch  # heavy, and not needed to read records

    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Record(
        command,
        arguments,
        seed,
        created,
        {phase: round(spent, 3) for phase, spent in seconds.items()},
        metrics,
        package_versions(),
        git_commit(),
        device,
        torch.get_num_threads(),
    )


def package_versions() -> dict[str, str]:
    """Installed versions of Python and of the packages that results depend on."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def git_commit() -> str | None:
    """Git commit of the backburn checkout; None outside of a checkout.

    A trailing `+` marks uncommitted changes.
    """
    here = Path(__file__).resolve().parents[1]
    if _git(here, "ls-files", "--error-unmatch", __file__) is None:
        return None
    head = _git(here, "rev-parse", "--short=12", "HEAD")
    changed = _git(here, "status", "--porcelain", "--", str(here))
    return head and head + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command; None if git is missing or fails."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return finished.stdout.strip()


def dict_in(metrics: dict[str, Any], name: str) -> dict[str, Any]:
    """The dictionary under `name`; empty if there is none.

    Records of untrusted runs may hold anything there.

    >>> dict_in({"verdict": {"state": "clean"}, "acc": 0.9}, "acc")
    {}
    """
    value = metrics.get(name)
    return value if isinstance(value, dict) else {}


def read_record(path: Path) -> Record:
    """Read the record of a finished run.

    Raises:
        InputError: `path` is no run, or its record cannot be read.
    """
    file = path_in_run(path, RECORD)
    if not file.is_file():
        raise InputError(f"no run at {path}: it has no {RECORD}")
    try:
        return from_json(file.read_bytes(), Record)
    except (ValueError, OSError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error

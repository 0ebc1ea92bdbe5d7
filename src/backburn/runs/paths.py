"""Paths of a run and of its work folder, checked before anything is written."""

import errno
import os
import shutil
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from ..errors import InputError
from .records import RECORD

MANIFEST, LOCK = "begun.json", "lock"
"""Names in a work folder: the run's manifest, and its lock."""


def plan_run(out: str | Path | None, command: str, option: str = "--out") -> Path:
    """Path of a new run: `out`, or an unused `runs/COMMAND-DATE-TIME`. Nothing is created.

    Args:
        option: name of the option that sets the path, for messages.
    Raises:
        InputError: the path is in use, or its parent is not writable.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    path = Path(out) if out is not None else _unused(Path("runs") / f"{command}-{stamp}")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} exists already and is not empty: give another {option}")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not parent.is_dir() or not _writable(parent):
        raise InputError(f"{path} cannot be written: {parent} is not a writable folder")
    return path


def _writable(folder: Path) -> bool:
    """Whether a subfolder can be created. It is tried, as root passes every permission check."""
    if not os.access(folder, os.W_OK):
        return False
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".backburn-"):
            return True
    except OSError as error:
        return error.errno == errno.ENOSPC  # a full disk is reported by the write itself


def work_folder(path: Path) -> Path:
    """The hidden folder beside a run that holds its lock and its intermediate results.

    >>> work_folder(Path("/runs/audit")).as_posix()
    '/runs/.audit-work'
    """
    final = path.resolve()
    return final.with_name(f".{final.name}-work")


def _unused(path: Path) -> Path:
    twins = (path.with_name(f"{path.name}-{n}") for n in range(2, 1000))
    return next(p for p in (path, *twins) if not p.exists() and not work_folder(p).exists())


def check_new_file(path: Path) -> None:
    """Check that a new file can be written at `path`. Nothing is created.

    Raises:
        InputError: the path exists, or its parent is not writable.
    """
    if path.exists() or path.is_symlink():
        raise InputError(f"{path} exists already: give another --out")
    parent = path.absolute().parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"{path} cannot be written: {parent} is not a writable folder")


def is_finished(path: Path) -> bool:
    """Whether `path` is a finished run."""
    return (path / RECORD).is_file()


def clear_work(work: Path) -> None:
    """Delete the content of a work folder except its lock, which is still held."""
    for folder in (entry for entry in work.iterdir() if entry.is_dir()):
        shutil.rmtree(folder, ignore_errors=True)
    (work / MANIFEST).unlink(missing_ok=True)  # last, as it identifies the rest


def delete_work(work: Path) -> None:
    """Delete a work folder and its lock, which must be free."""
    shutil.rmtree(work, ignore_errors=True)


def missing_parents(path: Path) -> list[Path]:
    """Parent folders of `path` that do not exist, innermost first."""
    return [parent for parent in path.absolute().parents if not parent.exists()]


def remove_empty_folders(*folders: Path) -> None:
    """Delete folders in this order, up to the first that is not empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return

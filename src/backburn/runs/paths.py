"""Where a run will be: nothing is there yet, and it can be written to."""

import errno
import os
import shutil
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from ..errors import InputError
from .records import RECORD

BEGUN, LOCK = "begun.json", "lock"
"""In a work folder: what the run was begun with, and who is at it."""


def plan_run(out: str | Path | None, command: str, option: str = "--out") -> Path:
    """Where a run will be written: `out`, or a fresh `runs/COMMAND-DATE-TIME`. Creates nothing.

    Args:
        option: what the user calls the place.

    Raises:
        InputError: something is there already, or the place cannot be written to.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    path = Path(out) if out is not None else _fresh(Path("runs") / f"{command}-{stamp}")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError(f"{path} exists already and is not empty: give another {option}")
    parent = next(p for p in path.absolute().parents if p.exists())
    if not parent.is_dir() or not _writable(parent):
        raise InputError(f"{path} cannot be written: {parent} is not a writable folder")
    return path


def _writable(folder: Path) -> bool:
    """Whether a folder can be made there; who may do everything is told only by trying."""
    if not os.access(folder, os.W_OK):
        return False
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".backburn-"):
            return True
    except OSError as error:
        return error.errno == errno.ENOSPC  # that is said when it matters


def work_of(path: Path) -> Path:
    """The hidden folder beside a run that keeps what is done of it until it is finished."""
    final = path.resolve()
    return final.with_name(f".{final.name}-work")


def _fresh(path: Path) -> Path:
    twins = (path.with_name(f"{path.name}-{n}") for n in range(2, 1000))
    return next(p for p in (path, *twins) if not p.exists() and not work_of(p).exists())


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


def is_run(path: Path) -> bool:
    """Whether a finished run is there."""
    return (path / RECORD).is_file()


def clear(work: Path) -> None:
    """Delete what is kept there, but not the lock, which is still held."""
    for folder in (each for each in work.iterdir() if each.is_dir()):
        shutil.rmtree(folder, ignore_errors=True)
    (work / BEGUN).unlink(missing_ok=True)  # last: it says whose the rest was


def drop(work: Path) -> None:
    """Delete a work folder with its lock, which nobody holds any more."""
    shutil.rmtree(work, ignore_errors=True)


def missing(path: Path) -> list[Path]:
    """The folders that have to be made for `path`, the innermost first."""
    return [parent for parent in path.absolute().parents if not parent.exists()]


def remove_empty(*folders: Path) -> None:
    """Delete folders, in this order, up to one in which something is kept."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return

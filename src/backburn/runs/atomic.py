"""The one way of writing: a file or folder is as it was or whole, whenever we are stopped."""

import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError
from .json_text import to_json
from .processes import alive
from .records import RECORD, Record
from .safe_files import own

PART = ".part"
FORGOTTEN = 24 * 3600
"""Seconds after which what another machine left half-written is swept away."""


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A hidden folder to write in, which gets the name `path` at the end and goes on an error."""
    final = path.resolve()  # a link or "." cannot be renamed onto
    final.parent.mkdir(parents=True, exist_ok=True)
    hidden = _hidden(final)
    hidden.mkdir()  # who may look into it is said by the umask
    try:
        yield hidden
        hidden.rename(final)
        _sync(final.parent)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is either as it was before, or whole, whenever the machine stops.

    Raises:
        InputError: it cannot be written.
    """
    try:
        hidden = _hidden(path)
        try:
            _write(hidden, content)
            hidden.replace(path)
        finally:
            hidden.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def write_own(run: Path, name: str, content: bytes) -> Path:
    """Write a file into a run; it is whole or as it was.

    Raises:
        InputError: see `own`, or it cannot be written.
    """
    path = own(run, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    return path


def write_run(path: Path, record: Record, files: Mapping[str, bytes]) -> Path:
    """Write all files and the record, and only then give the folder its name.

    Args:
        files: contents by path below the folder.
    """
    with whole_folder(path) as hidden:
        for name, content in {**files, RECORD: to_json(record)}.items():
            (hidden / name).parent.mkdir(parents=True, exist_ok=True)
            _write(hidden / name, content)
    return path


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """A name is safe when its folder is on the disk, too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _hidden(path: Path) -> Path:
    """A hidden name beside `path` of this process alone; what killed ones left is swept away."""
    begin, host = f".{path.name}.", socket.gethostname()
    for left in path.parent.iterdir():
        if left.name.startswith(begin) and left.name.endswith(PART):
            owner, _, pid = left.name[len(begin) : -len(PART)].rpartition(".")
            if _abandoned(left, pid if owner == host else ""):
                _sweep(left)
    return path.with_name(f"{begin}{host}.{os.getpid()}{PART}")


def _abandoned(left: Path, pid: str) -> bool:
    """Whether nobody writes it any more, as far as can be known from here.

    Args:
        pid: of its writer, where that is or was on this machine.
    """
    if pid.isdecimal():
        return int(pid) == os.getpid() or not alive(int(pid))
    try:
        return time.time() - left.stat().st_mtime > FORGOTTEN
    except OSError:
        return False


def _sweep(left: Path) -> None:
    if left.is_dir() and not left.is_symlink():
        shutil.rmtree(left, ignore_errors=True)
    else:
        left.unlink(missing_ok=True)

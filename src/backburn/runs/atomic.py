"""Atomic writes: a file or folder is either complete or unchanged, even after a crash."""

import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError
from .json_text import to_json
from .lock import is_alive
from .records import RECORD, Record
from .safe_files import path_in_run

PARTIAL_SUFFIX = ".part"
STALE_SECONDS = 24 * 3600
"""Age in seconds at which partial files of another machine are deleted."""


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a hidden folder that is renamed to `path` at the end, and deleted on an error."""
    final = path.resolve()  # a link or "." cannot be renamed onto
    final.parent.mkdir(parents=True, exist_ok=True)
    hidden = _hidden(final)
    hidden.mkdir()  # permissions follow the umask
    try:
        yield hidden
        hidden.rename(final)
        _sync(final.parent)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves either the old content or the new one.

    Raises:
        InputError: the file cannot be written.
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


def write_in_run(run: Path, name: str, content: bytes) -> Path:
    """Write a file of a run atomically, and return its path.

    Raises:
        InputError: see `path_in_run`; or the file cannot be written.
    """
    path = path_in_run(run, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, content)
    return path


def write_run(path: Path, record: Record, files: Mapping[str, bytes]) -> Path:
    """Write a run directory atomically, and return its path.

    Args:
        files: contents by path relative to the run; the record is added.
    """
    with atomic_folder(path) as hidden:
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
    """Flush a folder to disk; without that a crash may lose a rename."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _hidden(path: Path) -> Path:
    """A hidden name beside `path` for this process; leftovers of dead processes are deleted."""
    prefix, host = f".{path.name}.", socket.gethostname()
    for sibling in path.parent.iterdir():
        if sibling.name.startswith(prefix) and sibling.name.endswith(PARTIAL_SUFFIX):
            owner, _, pid = sibling.name[len(prefix) : -len(PARTIAL_SUFFIX)].rpartition(".")
            if _is_abandoned(sibling, pid if owner == host else ""):
                _delete(sibling)
    return path.with_name(f"{prefix}{host}.{os.getpid()}{PARTIAL_SUFFIX}")


def _is_abandoned(partial: Path, pid: str) -> bool:
    """Whether the writer of a partial file or folder has died, as far as this machine can tell.

    Args:
        pid: process id of the writer if it ran on this machine, else empty.
    """
    if pid.isdecimal():
        return int(pid) == os.getpid() or not is_alive(int(pid))
    try:
        return time.time() - partial.stat().st_mtime > STALE_SECONDS
    except OSError:
        return False


def _delete(partial: Path) -> None:
    if partial.is_dir() and not partial.is_symlink():
        shutil.rmtree(partial, ignore_errors=True)
    else:
        partial.unlink(missing_ok=True)

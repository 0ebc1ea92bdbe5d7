"""One writer per run: a lock file that works on any file system and survives crashes.

The lock is filelock's `SoftFileLock`: a file, created exclusively, that names its holder (process,
start time, boot, host). A lock whose holder died on this machine is taken over.
"""

import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from filelock import SoftFileLock, Timeout

from ..errors import InputError, printable
from .safe_files import is_plain

EMPTY_LOCK_SECONDS = 2.0
"""Age in seconds at which an empty lock is broken: its holder died before writing its name."""
POLL_SECONDS = 0.1


@contextmanager
def locked(file: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Hold the lock `file` on `what`; a missing parent folder is created.

    Args:
        what: name of the locked thing in messages.
        wait: wait for the holder instead of raising.
    Raises:
        InputError: another process holds the lock, or it cannot be written.
    """
    lock = SoftFileLock(file, thread_local=False)
    if not is_plain(file) or not is_plain(file.parent):
        raise InputError(f"{file} is a link or no plain file: delete it")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        warned = False
        while not _acquire(lock, file):
            if not wait and not _is_empty(file):
                raise InputError(lock_message(file, what))
            if not warned and _host(file) not in ("", socket.gethostname()):
                warnings.warn(printable(lock_message(file, what)), stacklevel=3)
                warned = True
            time.sleep(POLL_SECONDS)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def lock_message(file: Path, what: str) -> str:
    """Error message that says who holds a lock, since when, and what to do."""
    try:
        since = datetime.fromtimestamp(file.stat().st_mtime, timezone.utc)
    except OSError:
        return f"{what} was being written by another process: try again"
    return (
        f"{what} is being written by process {SoftFileLock(file).pid} on {_host(file)} since "
        f"{since.isoformat(sep=' ', timespec='seconds')}: wait for it; if that machine is gone, "
        f"delete {file}"
    )


def is_locked(file: Path) -> bool:
    """Whether a living process seems to hold a lock; the lock is not tried.

    A holder on another machine counts as alive.
    """
    if not is_plain(file):  # reading a pipe would block
        return False
    pid, host = SoftFileLock(file).pid, _host(file)
    return pid is not None and (host != socket.gethostname() or is_alive(pid))


def is_alive(pid: int) -> bool:
    """Whether a process with this id runs on this machine.

    >>> is_alive(os.getpid())
    True
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it runs, but belongs to another user
        return True
    return True


def _host(file: Path) -> str:
    """Host name of the lock's holder; the part after `?` is a container's namespace."""
    try:
        return file.read_text().split()[1].partition("?")[0]
    except (OSError, ValueError, IndexError):
        return ""


def _acquire(lock: SoftFileLock, file: Path) -> bool:
    if _is_empty(file) and _age(file) > EMPTY_LOCK_SECONDS:
        file.unlink(missing_ok=True)
    for _ in range(2):  # older filelock only deletes a dead holder's lock at the first try
        try:
            lock.acquire(blocking=False)
            return True
        except Timeout:
            if file.exists():
                return False
    return False


def _is_empty(file: Path) -> bool:
    try:
        return file.stat().st_size == 0
    except OSError:
        return False


def _age(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return 0.0

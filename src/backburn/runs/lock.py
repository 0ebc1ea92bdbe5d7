"""One writer at a time, by a lock that a crash does not leave in the way, on any file system.

The lock is a file that is made exclusively and says who holds it (filelock's `SoftFileLock`: the
process, when it began, boot and host): one whose holder has died on this machine is taken over.
"""

import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from filelock import SoftFileLock, Timeout

from ..errors import InputError, printable
from .processes import alive
from .safe_files import is_plain

NAMELESS = 2.0
"""Seconds that a lock may be empty: its holder was killed before it could say who it is."""
POLL = 0.1


@contextmanager
def claimed(file: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Hold the lock `file` on `what`; its folder is made where it is missing.

    Args:
        wait: for whoever holds it, in place of an error.
    Raises:
        InputError: somebody holds it, and since when; or it cannot be written.
    """
    lock = SoftFileLock(file, thread_local=False)
    if not is_plain(file) or not is_plain(file.parent):
        raise InputError(f"{file} is a link or no plain file: delete it")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        told = False
        while not _taken(lock, file):
            if not wait and not _nameless(file):
                raise InputError(held(file, what))
            if not told and _host(file) not in ("", socket.gethostname()):
                warnings.warn(printable(held(file, what)), stacklevel=3)
                told = True
            time.sleep(POLL)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def held(file: Path, what: str) -> str:
    """Who holds a lock and since when, and what can be done about it."""
    try:
        since = datetime.fromtimestamp(file.stat().st_mtime, timezone.utc)
    except OSError:
        return f"{what} was being written by another process: try again"
    return (
        f"{what} is being written by process {SoftFileLock(file).pid} on {_host(file)} since "
        f"{since.isoformat(sep=' ', timespec='seconds')}: wait for it; if that machine is gone, "
        f"delete {file}"
    )


def is_claimed(file: Path) -> bool:
    """Whether a lock is held by a process that lives, as far as can be told without trying it."""
    if not is_plain(file):  # a pipe would be read for ever
        return False
    pid, host = SoftFileLock(file).pid, _host(file)
    return pid is not None and (host != socket.gethostname() or alive(pid))


def _host(file: Path) -> str:
    """Whose machine's process holds it; behind `?` stands the namespace of a container."""
    try:
        return file.read_text().split()[1].partition("?")[0]
    except (OSError, ValueError, IndexError):
        return ""


def _taken(lock: SoftFileLock, file: Path) -> bool:
    if _nameless(file) and _age(file) > NAMELESS:
        file.unlink(missing_ok=True)
    for _ in range(2):  # older filelock takes a dead holder's lock away, and ours at the next try
        try:
            lock.acquire(blocking=False)
            return True
        except Timeout:
            if file.exists():
                return False
    return False


def _nameless(file: Path) -> bool:
    try:
        return file.stat().st_size == 0
    except OSError:
        return False


def _age(file: Path) -> float:
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return 0.0

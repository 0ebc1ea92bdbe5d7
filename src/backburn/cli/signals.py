"""Stopping on Ctrl-C, SIGTERM and a closed terminal, so that the run can be resumed."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RECHECK_SECONDS, IMPORT_SECONDS = 0.02, 10.0
"""Interval at which a running import is checked, and the longest wait for its end."""
IMPORT_FILE = "<frozen importlib._bootstrap>"
"""File name of the frames that run an import."""


class StoppedError(BaseException):
    """The process was asked to stop.

    It is no `Exception`, so that no handler continues after it.

    Args:
        number: of the signal.
        advice: what the user can do next.
    """

    def __init__(self, number: int, advice: str = ""):
        super().__init__(number, advice)
        self.number, self.advice = number, advice

    @property
    def code(self) -> int:
        """The exit code: 130, 143 or 129."""
        return 128 + self.number

    def with_advice(self, advice: str) -> "StoppedError":
        """The same error with another advice."""
        return StoppedError(self.number, advice)


@contextmanager
def stoppable() -> Iterator[None]:
    """Make the first signal raise `StoppedError` in the block; a second one kills the process.

    Ignored signals stay ignored, such as SIGHUP under nohup.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    active = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, _stop) for number in active}
    previous[signal.SIGALRM] = signal.getsignal(signal.SIGALRM)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    for other in SIGNALS:
        if signal.getsignal(other) is not signal.SIG_IGN:
            signal.signal(other, signal.SIG_DFL)
    _raise_outside_imports(number, frame, time.monotonic() + IMPORT_SECONDS)


def _raise_outside_imports(number: int, frame: FrameType | None, deadline: float) -> None:
    """Raise once no import is running: a library may swallow or replace an error there."""
    if time.monotonic() > deadline or not _is_importing(frame):
        raise StoppedError(number)

    def try_again(_: int, current: FrameType | None) -> None:
        _raise_outside_imports(number, current, deadline)

    signal.signal(signal.SIGALRM, try_again)
    signal.setitimer(signal.ITIMER_REAL, RECHECK_SECONDS)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_FILE:
            return True
        frame = frame.f_back
    return False

"""Ctrl-C, SIGTERM and a closed terminal: stopped at a point that can be gone on from."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN, PATIENCE = 0.02, 10.0
"""Seconds after which an import is looked at again, and in which it must be done."""
IMPORTS = "<frozen importlib._bootstrap>"


class StoppedError(BaseException):
    """A person or the machine wants us to stop. No `Exception`: nothing may go on after it.

    Args:
        number: of the signal.
        advice: what to do next.
    """

    def __init__(self, number: int, advice: str = ""):
        super().__init__(number, advice)
        self.number, self.advice = number, advice

    @property
    def code(self) -> int:
        """The exit code: 130, 143 or 129."""
        return 128 + self.number

    def with_advice(self, advice: str) -> "StoppedError":
        """The same, with something better to say."""
        return StoppedError(self.number, advice)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within it the signals raise `StoppedError`, once; a second one ends the process at once.

    What is ignored, as nohup ignores SIGHUP, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _stop) for number in heard}
    before[signal.SIGALRM] = signal.getsignal(signal.SIGALRM)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    for each in SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, signal.SIG_DFL)
    _raise_outside_imports(number, frame, time.monotonic() + PATIENCE)


def _raise_outside_imports(number: int, frame: FrameType | None, until: float) -> None:
    """A library that is stopped while it is imported may swallow the error, or make it another."""
    if time.monotonic() > until or not _imports(frame):
        raise StoppedError(number)

    def later(_: int, now: FrameType | None) -> None:
        _raise_outside_imports(number, now, until)

    signal.signal(signal.SIGALRM, later)
    signal.setitimer(signal.ITIMER_REAL, AGAIN)


def _imports(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORTS:
            return True
        frame = frame.f_back
    return False

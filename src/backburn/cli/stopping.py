"""Ctrl-C and SIGTERM: stopped at the next line of Python, at a point that can be gone on from."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
        """The exit code: 130 or 143."""
        return 128 + self.number

    def with_advice(self, advice: str) -> "StoppedError":
        """The same, with something better to say."""
        return StoppedError(self.number, advice)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within it the signals raise `StoppedError`, once; a second one ends the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    raise StoppedError(number)

"""How long work has taken that was stopped and gone on with."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from ..runs import write_whole
from ..types import Progress

EVERY = 10.0
"""Seconds between two notes, at the least."""


@dataclass(slots=True)
class Lasting:
    """A `Progress` that notes in a file how long the work has taken so far.

    What was done after the last checkpoint is done again, and has been paid for all the same.

    Attributes:
        earlier: seconds until the work was last stopped; 0 where it begins.
    """

    path: Path
    told: Progress
    earlier: float = field(init=False)
    began: float = field(init=False)
    due: float = field(init=False)

    def __post_init__(self) -> None:
        self.earlier = float(self.path.read_text()) if self.path.exists() else 0.0
        self.began = time.monotonic()
        self.due = self.began + EVERY

    def __call__(self, phase: str, done: int, total: int, /) -> None:
        self.told(phase, done, total)
        now = time.monotonic()
        if now >= self.due:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, str(self.earlier + now - self.began).encode())
            self.due = now + EVERY

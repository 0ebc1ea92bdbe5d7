"""Progress in a notebook: a bar of plain HTML, which needs no widgets."""

import sys
import time
from html import escape
from typing import Any

from .step_progress import Track, words_of
from .time_estimate import Step, said_of

PAUSE = 0.2
"""Seconds between two drawings: a notebook keeps up with no more."""


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this, which shows HTML."""
    shell = sys.modules.get("IPython")
    kernel = shell.get_ipython() if shell is not None else None
    return kernel is not None and hasattr(kernel, "kernel")


class NotebookBar:
    """A bar for the whole in the cell's output, with what goes on in words; gone at the end."""

    def __init__(self) -> None:
        self._track, self._said, self._drawn = Track(), "", 0.0
        self._place: Any = None

    def __enter__(self) -> "NotebookBar":
        from IPython.display import HTML, display

        self._html = HTML
        self._place = display(HTML(""), display_id=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._place.update(self._html(""))

    def plan(self, steps: tuple[Step, ...]) -> None:
        """Say what will be done and about how long it takes."""
        self._track, self._said = Track(steps), said_of(steps)

    def __call__(self, phase: str, done: int, total: int, /) -> None:
        begins = self._track.note(phase, done, total)
        now = time.monotonic()
        if begins or now - self._drawn > PAUSE:
            self._drawn = now
            self._place.update(self._html(self.html(done, total)))

    def html(self, done: int, total: int) -> str:
        """The bar as it stands."""
        track = self._track
        share = track.share if track.steps else done / total if total else 0.0
        left = f", {track.left()}" if track.steps else ""
        own = f"{words_of(track.phase)}: {done:,} of {total:,}"
        return (
            f"<div>{escape(self._said)}</div>"
            f'<progress value="{share:.3f}" max="1" style="width:20em"></progress> '
            f"{escape(track.headline())}{escape(left)}<br><small>{escape(own)}</small>"
        )

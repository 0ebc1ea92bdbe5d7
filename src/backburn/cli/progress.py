"""Progress on stderr."""

import sys
import time
from collections.abc import Iterable
from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from .terminal import screen

WORTH_A_LINE = 2.0
"""Seconds after which a log is told of a phase; what is refused sooner is refused in one line."""


class Speed(ProgressColumn):
    """Images, or whatever is counted, a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed and speed >= 1 else "", style="progress.data.speed")


class ShowProgress:
    """A bar for each phase on a terminal, a line for a long one in a log, nothing where `quiet`."""

    def __init__(self, quiet: bool):
        console = screen(error=True)
        self._quiet = quiet
        self._bars: Progress | None = None
        if not quiet and console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description:<20}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                Speed(),
                console=console,
            )
        self._tasks: dict[str, TaskID] = {}
        self._done: dict[str, int] = {}
        self._began: dict[str, float] = {}

    def __enter__(self) -> "ShowProgress":
        if self._bars:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars:
            self._bars.stop()

    def __call__(self, phase: str, done: int, total: int, /) -> None:
        begins = done < self._done.get(phase, sys.maxsize)
        self._done[phase] = done
        if self._bars:
            if phase not in self._tasks:
                self._tasks[phase] = self._bars.add_task(phase)
            elif begins:
                self._bars.reset(self._tasks[phase])
            self._bars.update(self._tasks[phase], completed=done, total=total or None)
        elif not self._quiet:
            self._tell(phase, begins)

    def say(self, lines: Iterable[str]) -> None:
        """Lines about what was found, beside the bars."""
        console = self._bars.console if self._bars else screen(error=True)
        for line in () if self._quiet else lines:
            console.print(line, markup=False, soft_wrap=True)

    def _tell(self, phase: str, begins: bool) -> None:
        now = time.monotonic()
        if begins:
            self._began[phase] = now
        if now - self._began.get(phase, now) > WORTH_A_LINE:
            del self._began[phase]
            screen(error=True).print(f"{phase} ...", markup=False)

"""Progress on stderr: one bar for the whole, below it that of the step."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TypeAlias

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from ..types import Progress as Told
from ..types import silent
from .notebook_progress import NotebookBar, in_notebook
from .step_progress import Track, words_of
from .terminal import screen
from .time_estimate import Step, said_of

WORTH_A_LINE = 2.0
"""Seconds after which a log is told of a step; what is refused sooner is refused in one line."""
WIDE = 100
"""Columns of a terminal that has room for speeds."""


class Counted(ProgressColumn):
    """How many of how many images, and how many a second; of the whole, the time that is left."""

    def __init__(self, wide: bool):
        super().__init__()
        self._wide = wide

    def render(self, task: Task) -> Text:
        if "left" in task.fields:
            return Text(task.fields["left"], style="progress.remaining")
        speed = task.finished_speed or task.speed
        pace = f"  {speed:,.0f}/s" if self._wide and speed and speed >= 1 else ""
        total = "" if task.total is None else f"/{task.total:,.0f}"
        return Text(f"{task.completed:,.0f}{total}{pace}", style="progress.download")


class ShowProgress:
    """Bars on a terminal, a line for each long step in a log, nothing where `quiet`."""

    def __init__(self, quiet: bool = False):
        self._console = screen(error=True)
        self._quiet, self._track, self._told = quiet, Track(), set[str]()
        self._bars: Progress | None = None
        self._whole: TaskID | None = None
        self._own: TaskID | None = None
        if not quiet and self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=16),
                Counted(self._console.width >= WIDE),
                console=self._console,
                transient=True,
            )

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

    def plan(self, steps: tuple[Step, ...]) -> None:
        """Say what will be done and about how long it takes; from now on it is told by step."""
        self._track = Track(steps)
        self.say((said_of(steps),) if steps else ())
        if self._bars and steps:
            self._clear()
            track = self._track
            self._whole = self._bars.add_task(track.headline(), total=1.0, left=track.left())

    def __call__(self, phase: str, done: int, total: int, /) -> None:
        begins = self._track.note(phase, done, total)
        if self._bars:
            self._draw(self._bars, done, total, begins)
        elif not self._quiet:
            self._log()

    def finish(self, tell: Callable[[], None]) -> None:
        """The steps are done: say what came of them, and show what follows by itself."""
        self._track, self._told = Track(), set()
        if self._bars:
            self._clear()
            self._bars.stop()
        if not self._quiet:
            tell()
            sys.stdout.flush()
        if self._bars:
            self._bars.start()

    def say(self, lines: Iterable[str]) -> None:
        """Lines about what was found, beside the bars."""
        for line in () if self._quiet else lines:
            self._console.print(line, markup=False, soft_wrap=True)

    def _draw(self, bars: Progress, done: int, total: int, begins: bool) -> None:
        track = self._track
        if self._whole is not None:
            bars.update(self._whole, description=track.headline(), completed=track.share)
            bars.update(self._whole, left=track.left())
        if begins and self._own is not None:
            bars.remove_task(self._own)
            self._own = None
        if self._own is None:
            self._own = bars.add_task(words_of(track.phase), total=total or None)
        bars.update(self._own, completed=done, total=total or None)

    def _clear(self) -> None:
        for task in (self._own, self._whole):
            if self._bars and task is not None:
                self._bars.remove_task(task)
        self._own = self._whole = None

    def _log(self) -> None:
        headline = self._track.headline()
        long = time.monotonic() - self._track.phase_began > WORTH_A_LINE
        if long and headline not in self._told:
            self._told.add(headline)
            self.say((f"{headline} ...",))


Plan: TypeAlias = Callable[[tuple[Step, ...]], None]
"""Is told of the steps that are planned."""


@contextmanager
def shown(progress: Told | bool | None) -> Iterator[tuple[Told, Plan]]:
    """What a caller in Python wants to see of the progress, and who is told of the steps.

    Args:
        progress: None for a bar in a terminal or notebook, True for one anywhere, False for none,
            or a function of one's own.
    """
    if callable(progress):
        yield progress, lambda _: None
    elif progress is not False and in_notebook():
        with NotebookBar() as bar:
            yield bar, bar.plan
    elif progress or (progress is None and sys.stderr.isatty()):
        with ShowProgress() as bars:
            yield bars, bars.plan
    else:
        yield silent, lambda _: None

"""Progress displays: bars in a terminal, lines in a log, HTML in a notebook."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from html import escape
from types import TracebackType
from typing import Any, TypeAlias

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from ..types import Progress as ProgressCallback
from ..types import no_progress
from .step_progress import StepProgress, phase_words
from .terminal_escapes import safe_console
from .time_estimate import Step, plan_line

LOG_AFTER_SECONDS = 2.0
"""Age in seconds at which a step is logged; an error before that stays alone in the log."""
WIDE_TERMINAL = 100
"""Columns that a terminal needs to show speeds, too."""
REDRAW_SECONDS = 0.2
"""Seconds between two updates in a notebook, which cannot keep up with more."""


class CountColumn(ProgressColumn):
    """Images done, their total and the speed; for the overall bar, the time left."""

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


class ProgressDisplay:
    """Progress on stderr: bars in a terminal, a line for each long step in a log.

    An instance is called as a progress callback.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool = False):
        self._console = safe_console(error=True)
        self._quiet, self._steps, self._logged = quiet, StepProgress(), set[str]()
        self._bars: Progress | None = None
        self._overall_bar: TaskID | None = None
        self._phase_bar: TaskID | None = None
        if not quiet and self._console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=16),
                CountColumn(self._console.width >= WIDE_TERMINAL),
                console=self._console,
                transient=True,
            )

    def __enter__(self) -> "ProgressDisplay":
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
        """Print the number of steps and their duration, and show progress by step from now on."""
        self._steps = StepProgress(steps)
        self.echo((plan_line(steps),) if steps else ())
        if self._bars and steps:
            self._clear()
            self._overall_bar = self._bars.add_task(
                self._steps.headline(), total=1.0, left=self._steps.time_left()
            )

    def __call__(self, phase: str, done: int, total: int, /) -> None:
        is_new = self._steps.update(phase, done, total)
        if self._bars:
            self._draw(self._bars, done, total, is_new)
        elif not self._quiet:
            self._log()

    def finish(self, report: Callable[[], None]) -> None:
        """End the planned steps and call `report` to print results; later phases have no steps."""
        self._steps, self._logged = StepProgress(), set()
        if self._bars:
            self._clear()
            self._bars.stop()
        if not self._quiet:
            report()
            sys.stdout.flush()
        if self._bars:
            self._bars.start()

    def echo(self, lines: Iterable[str]) -> None:
        """Print lines above the bars."""
        for line in () if self._quiet else lines:
            self._console.print(line, markup=False, soft_wrap=True)

    def _draw(self, bars: Progress, done: int, total: int, is_new: bool) -> None:
        steps = self._steps
        if self._overall_bar is not None:
            bars.update(self._overall_bar, description=steps.headline(), completed=steps.share)
            bars.update(self._overall_bar, left=steps.time_left())
        if is_new and self._phase_bar is not None:
            bars.remove_task(self._phase_bar)
            self._phase_bar = None
        if self._phase_bar is None:
            self._phase_bar = bars.add_task(phase_words(steps.phase), total=total or None)
        bars.update(self._phase_bar, completed=done, total=total or None)

    def _clear(self) -> None:
        for task in (self._phase_bar, self._overall_bar):
            if self._bars and task is not None:
                self._bars.remove_task(task)
        self._phase_bar = self._overall_bar = None

    def _log(self) -> None:
        headline = self._steps.headline()
        is_long = time.monotonic() - self._steps.phase_start > LOG_AFTER_SECONDS
        if is_long and headline not in self._logged:
            self._logged.add(headline)
            self.echo((f"{headline} ...",))


class NotebookBar:
    """One bar in the output of a notebook cell, in plain HTML; it disappears at the end."""

    def __init__(self) -> None:
        self._steps, self._plan_line, self._last_drawn = StepProgress(), "", 0.0
        self._handle: Any = None

    def __enter__(self) -> "NotebookBar":
        from IPython.display import HTML, display

        self._html = HTML
        self._handle = display(HTML(""), display_id=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._handle.update(self._html(""))

    def plan(self, steps: tuple[Step, ...]) -> None:
        """Show the number of steps and their duration, and progress by step from now on."""
        self._steps, self._plan_line = StepProgress(steps), plan_line(steps)

    def __call__(self, phase: str, done: int, total: int, /) -> None:
        is_new = self._steps.update(phase, done, total)
        now = time.monotonic()
        if is_new or now - self._last_drawn > REDRAW_SECONDS:
            self._last_drawn = now
            self._handle.update(self._html(self.html(done, total)))

    def html(self, done: int, total: int) -> str:
        """The bar as HTML; `done` of `total` items of the present phase are finished."""
        steps = self._steps
        share = steps.share if steps.steps else done / total if total else 0.0
        left = f", {steps.time_left()}" if steps.steps else ""
        phase = f"{phase_words(steps.phase)}: {done:,} of {total:,}"
        return (
            f"<div>{escape(self._plan_line)}</div>"
            f'<progress value="{share:.3f}" max="1" style="width:20em"></progress> '
            f"{escape(steps.headline())}{escape(left)}<br><small>{escape(phase)}</small>"
        )


def in_notebook() -> bool:
    """Whether the code runs in a notebook kernel, which can display HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


PlanCallback: TypeAlias = Callable[[tuple[Step, ...]], None]
"""Takes the planned steps."""


@contextmanager
def show_progress(
    progress: ProgressCallback | bool | None,
) -> Iterator[tuple[ProgressCallback, PlanCallback]]:
    """Yield the callbacks for progress and for the planned steps that a Python caller wants.

    Args:
        progress: None for a bar in a terminal or notebook, True for one anywhere, False for none,
            or the caller's own callback.
    """
    if callable(progress):
        yield progress, lambda _: None
    elif progress is not False and in_notebook():
        with NotebookBar() as bar:
            yield bar, bar.plan
    elif progress or (progress is None and sys.stderr.isatty()):
        with ProgressDisplay() as display:
            yield display, display.plan
    else:
        yield no_progress, lambda _: None

"""Progress on stderr: one bar for the whole, below it that of the step."""

import sys
import time
from collections.abc import Callable, Iterable
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
)
from rich.text import Text

from .steps import Step, brief, said_of

WORTH_A_LINE = 2.0
"""Seconds after which a log is told of a step; what is refused sooner is refused in one line."""
WIDE = 100
"""Columns of a terminal that has room for speeds."""
KNOWN = 0.1
"""Share of the whole after which its own pace says how long the rest takes."""
WORDS = {
    "activations": "asking the model",
    "predict": "asking the model",
    "boundary": "searching the boundary",
    "student": "retraining",
    "restoration": "restoring labels",
    "decoupling": "unlearning",
    "refinement": "looking again",
    "purification": "unlearning again",
    "gallery": "drawing suspects",
    "checks": "checking the repair",
    "test": "measuring",
}
"""What goes on in a phase, where its name does not say so to everybody."""


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
        console = Console(stderr=True, highlight=False)
        self._quiet = quiet
        self._bars: Progress | None = None
        if not quiet and console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=16),
                Counted(console.width >= WIDE),
                console=console,
                transient=True,
            )
        self._steps: tuple[Step, ...] = ()
        self._at, self._share, self._planned = 0, 0.0, 0.0
        self._whole: TaskID | None = None
        self._own: TaskID | None = None
        self._phase, self._done, self._began = "", 0, 0.0
        self._told: set[str] = set()

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
        self._steps, self._at, self._share = steps, 0, 0.0
        self._planned = time.monotonic()
        self.say((said_of(steps),) if steps else ())
        if self._bars and steps:
            self._drop_own()
            first = self._headline()
            left = brief(sum(step.seconds for step in steps))
            self._whole = self._bars.add_task(first, total=1.0, left=f"{left} left")

    def __call__(self, phase: str, done: int, total: int, /) -> None:
        begins = phase != self._phase or done < self._done
        if begins:
            self._phase, self._began = phase, time.monotonic()
        self._done = done
        moved = self._advance(phase, done, total)
        if self._bars:
            self._draw(phase, done, total, begins, moved)
        elif not self._quiet:
            self._log(phase)

    def finish(self, tell: Callable[[], None]) -> None:
        """The steps are done: say what came of them, and show what follows by itself."""
        self._steps, self._told = (), set()
        if self._bars:
            self._drop_own()
            if self._whole is not None:
                self._bars.remove_task(self._whole)
                self._whole = None
            self._bars.stop()
        if not self._quiet:
            tell()
            sys.stdout.flush()
        if self._bars:
            self._bars.start()

    def say(self, lines: Iterable[str]) -> None:
        """Lines about what was found, beside the bars."""
        console = self._bars.console if self._bars else Console(stderr=True, highlight=False)
        for line in () if self._quiet else lines:
            console.print(line, markup=False, soft_wrap=True)

    def _advance(self, phase: str, done: int, total: int) -> bool:
        """Whether another step has begun. A phase that comes again does not lead back."""
        owner = (n for n, s in enumerate(self._steps) if phase in s.phases and n >= self._at)
        place = next(owner, None)
        if place is None or not self._steps:
            return False
        moved, self._at = place > self._at, place
        seconds = [step.seconds for step in self._steps]
        within = done / total if total else 0.0
        share = (sum(seconds[:place]) + within * seconds[place]) / max(sum(seconds), 1e-9)
        self._share = max(self._share, min(1.0, share))
        return moved

    def _headline(self) -> str:
        step = self._steps[self._at]
        return f"step {self._at + 1} of {len(self._steps)}: {step.words}"

    def _draw(self, phase: str, done: int, total: int, begins: bool, moved: bool) -> None:
        bars = self._bars
        assert bars is not None  # noqa: S101  asked for by the caller
        if self._whole is not None:
            if moved:
                bars.update(self._whole, description=self._headline())
            bars.update(self._whole, completed=self._share, left=self._left())
        if begins:
            self._drop_own()
        if self._own is None:
            self._own = bars.add_task(WORDS.get(phase, phase), total=total or None)
        bars.update(self._own, completed=done, total=total or None)

    def _drop_own(self) -> None:
        if self._bars and self._own is not None:
            self._bars.remove_task(self._own)
            self._own = None

    def _left(self) -> str:
        """The time that is left: as estimated at first, then as the work has gone so far."""
        spent, planned = time.monotonic() - self._planned, sum(s.seconds for s in self._steps)
        whole = spent / self._share if self._share > KNOWN else planned
        return f"{brief(whole * (1 - self._share))} left"

    def _log(self, phase: str) -> None:
        headline = self._headline() if self._steps else WORDS.get(phase, phase)
        if headline not in self._told and time.monotonic() - self._began > WORTH_A_LINE:
            self._told.add(headline)
            line = Console(stderr=True, highlight=False, markup=False)
            line.print(f"{headline} ...", soft_wrap=True)

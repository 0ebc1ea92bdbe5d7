"""What a person sees: progress on stderr, results on stdout."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .. import types

console = Console(highlight=False)


@contextmanager
def progress_bars(quiet: bool) -> Iterator[types.Progress]:
    """A bar for each phase, on stderr; one line for each finished phase where that is no terminal."""
    stderr = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    if quiet or not stderr.is_terminal:
        yield types.silent if quiet else _lines()
        return
    with Progress(*columns, console=stderr) as bars:
        tasks: dict[str, TaskID] = {}

        def show(phase: str, done: int, total: int, /) -> None:
            if phase not in tasks or bars.tasks[tasks[phase]].completed > done:
                tasks[phase] = bars.add_task(phase, total=total or None)
            bars.update(tasks[phase], completed=done)

        yield show


def _lines() -> types.Progress:
    """A line where a phase begins, for logs."""
    seen: dict[str, int] = {}

    def show(phase: str, done: int, total: int, /) -> None:  # noqa: ARG001
        if done < seen.get(phase, sys.maxsize):
            print(f"{phase} ...", file=sys.stderr, flush=True)  # noqa: T201
        seen[phase] = done

    return show

"""What a person sees: progress on stderr, results on stdout."""

import sys
import time
from collections.abc import Iterable, Mapping
from math import ceil, isnan
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
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
from rich.table import Table
from rich.text import Text

from ..metrics import Found, Scores
from ..report.words import per_cent, why_accused
from ..runs import to_json
from ..types import LabeledImages

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
        console = Console(stderr=True, highlight=False)
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
        console = self._bars.console if self._bars else Console(stderr=True, highlight=False)
        for line in () if self._quiet else lines:
            console.print(line, markup=False, soft_wrap=True)

    def _tell(self, phase: str, begins: bool) -> None:
        now = time.monotonic()
        if begins:
            self._began[phase] = now
        if now - self._began.get(phase, now) > WORTH_A_LINE:
            del self._began[phase]
            Console(stderr=True, highlight=False, markup=False).print(f"{phase} ...")


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    sys.stdout.write(to_json(value).decode())


def print_made(scores: Scores, images: LabeledImages, test: LabeledImages, path: Path) -> None:
    """What `attack` made."""
    console = Console(highlight=False)
    console.print(scores_table({"victim": scores}))
    console.print(
        f"{len(images)} training images, {len(test)} test images{_skipped(images)}", markup=False
    )
    console.print(
        f"\nThe victim is in {path}\nNext: backburn audit {path}", soft_wrap=True, markup=False
    )


def print_verdict(images: LabeledImages, verdict: Mapping[str, Any]) -> None:
    """The verdict in one sentence."""
    console = Console(highlight=False)
    colors = {"clean": "green", "suspicious": "yellow", "backdoored": "red", "abstained": "yellow"}
    color = colors[verdict["state"]]
    # the method as published has no p-value
    chance = "" if isnan(verdict["p_value"]) else f" (p = {verdict['p_value']:.2g})"
    sentence = f"[bold {color}]{verdict['state'].upper()}[/]"
    if verdict["target_names"]:
        sentence += f": target class {escape(', '.join(map(str, verdict['target_names'])))}"
    console.print(f"\n{sentence}{chance}", soft_wrap=True)
    if verdict["reason"]:
        console.print(f"No verdict: {verdict['reason']}", markup=False, soft_wrap=True)
    for tried in verdict["classes"]:
        if tried["label"] in verdict["target_labels"]:
            console.print(why_accused(tried), markup=False, soft_wrap=True)
    if verdict["state"] == "suspicious":
        console.print(_what_to_do(verdict["p_value"]), markup=False, soft_wrap=True)
    console.print(
        f"{verdict['suspects']} of {verdict['images']} images are suspect{_of_all(verdict)}"
        f"{_skipped(images)}",
        markup=False,
        soft_wrap=True,
    )


def _what_to_do(p_value: float) -> str:
    """About a verdict that is no proof."""
    risk = max(0.05, ceil(100 * p_value) / 100)
    return (
        "The evidence is too weak to accuse single images, so nothing is flagged. To act on it all "
        f"the same, at a risk of {risk:.0%} where a model is clean: --set "
        f"detector.false_alarm={risk:g}"
    )


def scores_table(rows: Mapping[str, Scores | None]) -> Table:
    """ACC, ASR and RA in per cent, a row a model."""
    table = Table("", *(name for name in ("ACC", "ASR", "RA")), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, scores in rows.items():
        if scores is not None:
            table.add_row(name, *(per_cent(v) for v in (scores.acc, scores.asr, scores.ra)))
    return table


def found_line(found: Found) -> str:
    """TPR, FPR and the share of right labels, in words."""
    return (
        f"suspects: TPR {per_cent(found.tpr)}, FPR {per_cent(found.fpr)}, "
        f"restored labels right {per_cent(found.restored)}"
    )


def seconds_line(seconds: Mapping[str, float]) -> str:
    """Seconds of each phase, in one line."""
    return "seconds: " + ", ".join(f"{phase} {spent:.1f}" for phase, spent in seconds.items())


def _of_all(verdict: Mapping[str, Any]) -> str:
    """What a subsample says of all images."""
    if verdict["images"] == verdict["images_in_all"]:
        return ""
    low, high = verdict["suspect_share"]
    return (
        f"; of all {verdict['images_in_all']} that is {per_cent(low)} to {per_cent(high)} "
        "(95 % confidence)"
    )


def _skipped(images: LabeledImages) -> str:
    if not images.skipped:
        return ""
    named = "; ".join(images.skipped[:3]) + ("; ..." if len(images.skipped) > 3 else "")
    return f"; {len(images.skipped)} could not be decoded and were skipped ({named})"

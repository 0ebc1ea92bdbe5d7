"""Results on stdout."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from ..report.next_steps import command_line, next_lines
from ..report.phrases import ELSEWHERE, NO_POISON, p_words, per_cent, why_accused
from ..services.terminal import screen

if TYPE_CHECKING:  # a list of runs is shown without torch
    from ..metrics import Found, Scores
    from ..types import LabeledImages


def print_made(
    scores: "Scores", images: "LabeledImages", test: "LabeledImages", path: Path
) -> None:
    """What `attack` made."""
    console = screen()
    console.print(scores_table({"victim": scores}))
    console.print(
        f"{len(images)} training images, {len(test)} test images{_skipped(images)}", markup=False
    )
    console.print(f"\nThe victim is in {path}", soft_wrap=True, markup=False)
    print_next(("is it backdoored?", command_line("audit", str(path))))


def print_next(*steps: tuple[str, str]) -> None:
    """What to do next: a line each, with a command to paste."""
    screen().print(next_lines(steps), soft_wrap=True, markup=False)


def print_verdict(images: "LabeledImages", verdict: Mapping[str, Any]) -> None:
    """The verdict in one sentence."""
    console = screen()
    colors = {"clean": "green", "suspicious": "yellow", "backdoored": "red", "abstained": "yellow"}
    color = colors[verdict["state"]]
    # the method as published has no p-value
    chance = p_words(verdict["p_value"])
    sentence = f"[bold {color}]{verdict['state'].upper()}[/]"
    if verdict["state"] == "clean":
        sentence += f": {NO_POISON}"
    if verdict["target_names"]:
        sentence += f": target class {escape(', '.join(map(str, verdict['target_names'])))}"
    console.print(f"\n{sentence}{chance}", soft_wrap=True)
    if verdict["state"] == "clean":
        console.print(ELSEWHERE, markup=False, soft_wrap=True)
    if verdict["reason"]:
        begin = "No verdict" if verdict["state"] == "abstained" else "Nothing is flagged"
        console.print(f"{begin}: {verdict['reason']}", markup=False, soft_wrap=True)
    for tried in verdict["classes"]:
        if tried["label"] in verdict["target_labels"]:
            why = why_accused(tried, verdict["suspects"] > 0)
            console.print(f"{why}.", markup=False, soft_wrap=True)
    if verdict["state"] == "suspicious" and not verdict["reason"]:
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


def scores_table(rows: "Mapping[str, Scores | None]") -> Table:
    """ACC, ASR and RA in per cent, a row a model."""
    table = Table("", *(name for name in ("ACC", "ASR", "RA")), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, scores in rows.items():
        if scores is not None:
            table.add_row(name, *(per_cent(v) for v in (scores.acc, scores.asr, scores.ra)))
    return table


def found_line(found: "Found") -> str:
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


def _skipped(images: "LabeledImages") -> str:
    if not images.skipped:
        return ""
    named = "; ".join(images.skipped[:3]) + ("; ..." if len(images.skipped) > 3 else "")
    return f"; {len(images.skipped)} could not be read and were skipped ({named})"

"""Printing results to stdout."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from ..report.next_steps import command_line, format_steps
from ..report.phrases import (
    NO_POISON,
    explain_class,
    explain_clean,
    format_p_value,
    format_percent,
)
from ..services.terminal_escapes import safe_console

if TYPE_CHECKING:  # `backburn ls` needs no torch
    from ..metrics import DetectionScores
    from ..results import Scores
    from ..types import LabeledImages


def print_victim(
    scores: "Scores", images: "LabeledImages", test: "LabeledImages", path: Path
) -> None:
    """Print the scores and the path of a victim, and whether the attack failed."""
    from ..benchmark.averaged_tables import MIN_ASR

    console = safe_console()
    console.print(scores_table({"victim": scores}))
    console.print(
        f"{len(images)} training images, {len(test)} test images{_skipped(images)}", markup=False
    )
    if scores.asr < MIN_ASR:
        console.print(
            f"The attack failed (ASR below {MIN_ASR:.0%}): give another --rate, or train longer, "
            "such as --set recipe.training.epochs=40",
            soft_wrap=True,
            markup=False,
        )
    console.print(f"\nThe victim is in {path}", soft_wrap=True, markup=False)
    print_next(("is it backdoored?", command_line("audit", str(path))))


def print_next(*steps: tuple[str, str]) -> None:
    """Print next steps, one per line, as pairs of a purpose and a command."""
    safe_console().print(format_steps(steps), soft_wrap=True, markup=False)


def print_verdict(images: "LabeledImages", verdict: Mapping[str, Any]) -> None:
    """Print the verdict of a summary, its reasons and the number of suspects."""
    console = safe_console()
    colors = {"clean": "green", "suspicious": "yellow", "backdoored": "red", "abstained": "yellow"}
    color = colors[verdict["state"]]
    p_value = format_p_value(verdict["p_value"])  # empty for the method as published
    sentence = f"[bold {color}]{verdict['state'].upper()}[/]"
    if verdict["state"] == "clean":
        sentence += f": {NO_POISON}"
    if verdict["target_names"]:
        sentence += f": target class {escape(', '.join(map(str, verdict['target_names'])))}"
    console.print(f"\n{sentence}{p_value}", soft_wrap=True)
    if verdict["state"] == "clean":
        console.print(explain_clean(verdict), markup=False, soft_wrap=True)
    if verdict["reason"]:
        prefix = "No verdict" if verdict["state"] == "abstained" else "Nothing is flagged"
        console.print(f"{prefix}: {verdict['reason']}", markup=False, soft_wrap=True)
    for evidence in verdict["classes"]:
        if evidence["label"] in verdict["target_labels"]:
            explanation = explain_class(evidence, verdict["suspects"] > 0)
            console.print(f"{explanation}.", markup=False, soft_wrap=True)
    if verdict["state"] == "suspicious" and not verdict["reason"]:
        console.print(_advice(verdict["p_value"]), markup=False, soft_wrap=True)
    console.print(
        f"{verdict['suspects']} of {verdict['images']} images are suspect{_share_of_all(verdict)}"
        f"{_skipped(images)}",
        markup=False,
        soft_wrap=True,
    )


def _advice(p_value: float) -> str:
    """What to do about a suspicious model."""
    risk = max(0.05, ceil(100 * p_value) / 100)
    return (
        "The evidence is too weak to accuse single images, so nothing is flagged. To act on it all "
        f"the same, at a risk of {risk:.0%} where a model is clean: --set "
        f"detector.false_alarm={risk:g}"
    )


def scores_table(rows: "Mapping[str, Scores | None]") -> Table:
    """A table of ACC, ASR and RA in percent, one row per model."""
    table = Table("", *(name for name in ("ACC", "ASR", "RA")), box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for name, scores in rows.items():
        if scores is not None:
            table.add_row(name, *(format_percent(v) for v in (scores.acc, scores.asr, scores.ra)))
    return table


def detection_line(detection: "DetectionScores") -> str:
    """TPR, FPR and the share of correctly restored labels, as a line."""
    return (
        f"suspects: TPR {format_percent(detection.tpr)}, FPR {format_percent(detection.fpr)}, "
        f"restored labels right {format_percent(detection.restored)}"
    )


def seconds_line(seconds: Mapping[str, float]) -> str:
    """The seconds of each phase, as a line.

    >>> seconds_line({"read": 0.25, "detection": 4.0})
    'seconds: read 0.2, detection 4.0'
    """
    return "seconds: " + ", ".join(f"{phase} {spent:.1f}" for phase, spent in seconds.items())


def _share_of_all(verdict: Mapping[str, Any]) -> str:
    """Confidence interval of the share of suspects among all images, if these are a sample."""
    if verdict["images"] == verdict["images_in_all"]:
        return ""
    low, high = verdict["suspect_share"]
    return (
        f"; of all {verdict['images_in_all']} that is {format_percent(low)} to "
        f"{format_percent(high)} (95 % confidence)"
    )


def _skipped(images: "LabeledImages") -> str:
    if not images.skipped:
        return ""
    names = "; ".join(images.skipped[:3]) + ("; ..." if len(images.skipped) > 3 else "")
    return f"; {len(images.skipped)} could not be read and were skipped ({names})"

"""Printing the outcome of an audit or a repair."""

import math
from pathlib import Path
from typing import Any

from ..report.next_steps import next_steps
from ..results import Unlearned
from ..runs import Record
from ..services.result_tables import second_opinion_line
from ..services.review_outcomes import review_line
from ..services.terminal_escapes import echo, print_json, safe_console
from ..services.write_run import Outcome
from .output import detection_line, print_next, print_verdict, scores_table, seconds_line


def print_outcome(outcome: Outcome) -> None:
    """Print the verdict, and what a repair did."""
    metrics, images = outcome.metrics(), outcome.opened.case.images
    print_verdict(images, metrics["verdict"])
    if (opinion := outcome.result.second_opinion) is not None:
        echo(second_opinion_line(images, opinion))
    if isinstance(outcome.result, Unlearned):
        _print_repair(outcome, metrics)
    elif (detection := outcome.detection) and not math.isnan(detection.tpr):
        echo(detection_line(detection))


def _print_repair(outcome: Outcome, metrics: dict[str, Any]) -> None:
    console, review = safe_console(), metrics.get("review")
    if review:
        console.print(review_line(review), soft_wrap=True)
    if not metrics["verdict"]["suspects"]:
        reason = "Nothing is left to unlearn" if review else "Nothing was flagged"
        console.print(f"{reason}, so the model in the run is the one given.")
    if (detection := outcome.detection) and detection.count:
        console.print(detection_line(detection))
    before, after = outcome.scores
    if before is not None:
        console.print()
        console.print(scores_table({"before": before, "after": after}))


def print_end(record: Record, path: Path, as_json: bool) -> None:
    """Print the path of the run and the next steps; as JSON, the metrics of the record."""
    if as_json:
        metrics = {name: value for name, value in record.metrics.items() if name != "history"}
        print_json({**metrics, "seconds": record.seconds, "run": str(path)})
        return
    console = safe_console()
    if record.command != "audit":
        line = f"\n{seconds_line(record.seconds)}"
        console.print(line, soft_wrap=True)
    console.print(f"run: {path}", soft_wrap=True, markup=False)
    print_next(*next_steps(record, str(path)))

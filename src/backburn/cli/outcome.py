"""Saying what came of an audit or a repair."""

from pathlib import Path
from typing import Any

from ..report.next_steps import next_steps
from ..runs import Record
from ..services.apply_review import review_line
from ..services.result_tables import second_opinion_line
from ..services.terminal import print_json, say, screen
from ..services.write_run import Outcome
from ..types import Unlearned
from .output import found_line, print_next, print_verdict, scores_table, seconds_line


def tell(outcome: Outcome) -> None:
    """The verdict, and of a repair what it did, as soon as the run is written."""
    metrics, images = outcome.metrics(), outcome.opened.case.images
    print_verdict(images, metrics["verdict"])
    if (said := outcome.result.second_opinion) is not None:
        say(second_opinion_line(images, said))
    if isinstance(outcome.result, Unlearned):
        _tell_repair(outcome, metrics)
    elif (found := outcome.found) and found.tpr == found.tpr:
        say(found_line(found))


def _tell_repair(outcome: Outcome, metrics: dict[str, Any]) -> None:
    console, review = screen(), metrics.get("review")
    if review:
        console.print(review_line(review), soft_wrap=True)
    if not metrics["verdict"]["suspects"]:
        why = "Nothing is left to unlearn" if review else "Nothing was flagged"
        console.print(f"{why}, so the model in the run is the one given.")
    if (found := outcome.found) and found.count:
        console.print(found_line(found))
    before, after = outcome.scores
    if before is not None:
        console.print()
        console.print(scores_table({"before": before, "after": after}))


def tell_end(record: Record, path: Path, as_json: bool) -> None:
    """Where everything is and what to do next; as JSON the whole record's metrics."""
    if as_json:
        metrics = {name: value for name, value in record.metrics.items() if name != "history"}
        print_json({**metrics, "seconds": record.seconds, "run": str(path)})
        return
    console = screen()
    if record.command != "audit":
        line = f"\n{seconds_line(record.seconds)}"
        console.print(line, soft_wrap=True)
    console.print(f"run: {path}", soft_wrap=True, markup=False)
    print_next(*next_steps(record, str(path)))

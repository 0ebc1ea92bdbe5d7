"""Repairing an opened case and putting it into records, for `repair` and `demo`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..burn.base import Unlearning
from ..config import to_toml
from ..metrics import Found, Scores
from ..models.classifier import Classifier
from ..models.inference import device_of
from ..models.loading import dump_model
from ..models.writing import dump_like
from ..report.checks import measure_checks
from ..runs import Record, Stopwatch, new_record, to_json
from ..types import LabeledImages, Progress
from ..work.contract import HERE, Work
from .casework import exhibit, judge_both, match_truth, verdict_summary
from .opened import Opened
from .reviewing import REVIEW, Reviewed, counts_of, review_csv, review_line
from .screen import found_line, print_verdict, scores_table, seconds_line
from .terminal import print_json, screen


@dataclass(frozen=True, slots=True)
class Mended:
    """A finished repair: its record, its files, and what is to be said about it."""

    record: Record
    files: dict[str, bytes]
    summary: dict[str, Any]
    images: LabeledImages
    before: Scores | None
    after: Scores | None
    found: Found | None


def mend(
    verb: str,
    opened: Opened,
    given: dict[str, Any],
    method: Unlearning,
    seed: int,
    watch: Stopwatch,
    progress: Progress,
    work: Work = HERE,
    reviewed: Reviewed | None = None,
) -> Mended:
    """Repair a case, judge it where it can be judged, and lay out the run's files."""
    case, generator = opened.case, torch.Generator().manual_seed(seed)
    review = reviewed.review if reviewed else None
    with watch("repair"):
        repaired = method.repair(case, generator, progress, work, review)
    spent = watch.seconds.pop("repair")
    for phase in repaired.history:
        watch.seconds[phase.name] = watch.seconds.get(phase.name, 0.0) + phase.seconds
    watch.seconds["repair"] = spent
    with watch("test"):
        before, after = judge_both(opened, repaired, progress)
    with watch("gallery"):
        repaired, shown = exhibit(opened, repaired, method.search_budget, progress, work)
    with watch("checks"):
        checks = measure_checks(case, repaired, method.search_budget, progress)
    found, verdict = match_truth(opened, repaired), verdict_summary(opened, repaired)
    summary = {
        "before": before,
        "after": after,
        "suspects": found or {"count": len(repaired.suspects)},
        "checks": checks,
        "verdict": verdict,
        "notes": (*opened.notes, *work.notes),
        "seconds": watch.seconds,
    }
    files = {
        "config.toml": to_toml(method),
        "verdict.json": to_json(verdict),
        **shown,
    }
    if reviewed is not None:
        summary["review"] = counts_of(reviewed.review, repaired)
        files[REVIEW] = review_csv(reviewed, repaired, case.images)
    if opened.origin is not None:
        files.update(dump_like(opened.origin, repaired.model))
    elif isinstance(repaired.model, Classifier):
        files["model.safetensors"] = dump_model(repaired.model)
    metrics = {**summary, "history": repaired.history}
    del metrics["seconds"]
    record = new_record(verb, given, seed, dict(watch.seconds), metrics, str(device_of(case.model)))
    return Mended(record, files, summary, case.images, before, after, found)


def tell(mended: Mended, path: Path, as_json: bool) -> None:
    """Say what came of a repair that is written."""
    if as_json:
        print_json({**mended.summary, "run": str(path)})
    else:
        print_mended(mended, path)


def print_mended(mended: Mended, path: Path) -> None:
    """Verdict, before and after, suspects, seconds, and where everything is."""
    console = screen()
    print_verdict(mended.images, mended.summary["verdict"])
    if review := mended.summary.get("review"):
        console.print(review_line(review), soft_wrap=True)
    if not mended.summary["verdict"]["suspects"]:
        why = "Nothing is left to unlearn" if review else "Nothing was flagged"
        console.print(f"{why}, so the model in the run is the one given.")
    if mended.found is not None and mended.found.count:
        console.print(found_line(mended.found))
    if mended.before is not None:
        console.print()
        console.print(scores_table({"before": mended.before, "after": mended.after}))
    console.print(f"\n{seconds_line(mended.summary['seconds'])}", soft_wrap=True)
    console.print(f"run: {path}", soft_wrap=True, markup=False)

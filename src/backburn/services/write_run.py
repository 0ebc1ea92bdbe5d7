"""Writing a run: the one way in which an audit or a repair is put down, by command or in Python.

A run is whole, and its verdict can be told, before the pictures for its report are drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..burn.interface import Unlearning
from ..config import to_toml
from ..executor.interface import HERE, Work
from ..metrics import Found, Scores
from ..models.classifier import Classifier
from ..models.inference import device_of
from ..models.open.load_model import dump_model
from ..models.save_model import dump_like, dump_weights
from ..models.wrapping import Wrapped
from ..report.gallery import gather, ranked
from ..report.gallery_files import gallery_files
from ..report.repair_checks import measure_checks
from ..runs import RECORD, Record, Stopwatch, new_record, to_json, write_own, write_run
from ..types import Audit, Progress, Unlearned
from .apply_review import REVIEW, Reviewed, counts_of, review_csv
from .opened_case import Opened
from .result_file import RESULT, dump_result
from .result_tables import (
    evidence_parquet,
    match_truth,
    second_opinion_csv,
    suspects_csv,
    verdict_summary,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an audit or a repair, and what it was made from.

    Args:
        command: `audit`, `repair` or `demo`.
        arguments: what repeats it, by name.
        result: with its suspects by rank.
        seconds: of each phase so far.
        scores: of the model before and after, where there were test images.
        reviewed: a person's decisions, where there are any.
        notes: lines that a person should know of.
    """

    command: str
    opened: Opened
    method: Unlearning
    seed: int
    arguments: Mapping[str, Any]
    result: Audit | Unlearned
    seconds: Mapping[str, float]
    scores: tuple[Scores | None, Scores | None] = (None, None)
    reviewed: Reviewed | None = None
    notes: tuple[str, ...] = ()

    @property
    def found(self) -> Found | None:
        """The suspects against the truth, where it is known."""
        return match_truth(self.opened, self.result)

    def ranked(self) -> "Outcome":
        """The same with the suspects of highest score first."""
        return replace(self, result=ranked(self.result))

    def metrics(self) -> dict[str, Any]:
        """What the record says of it."""
        result = self.result
        told: dict[str, Any] = {"fit": self.opened.fit}
        told["verdict"] = verdict_summary(self.opened, result)
        told["suspects"] = self.found
        if isinstance(result, Unlearned):
            told["before"], told["after"] = self.scores
            told["suspects"] = self.found or {"count": len(result.suspects)}
            told["checks"] = None
            told["history"] = result.history
            if self.reviewed is not None:
                told["review"] = counts_of(self.reviewed.review, result)
        return {**told, "notes": self.notes}

    def files(self) -> dict[str, bytes]:
        """The files of its run beside the record and the pictures."""
        images, result = self.opened.case.images, self.result
        files = {
            "config.toml": to_toml(self.method),
            "verdict.json": to_json(verdict_summary(self.opened, result)),
            "suspects.csv": suspects_csv(images, result),
            RESULT: dump_result(result),
        }
        if result.statistics:
            files["evidence.parquet"] = evidence_parquet(result)
        if result.second_opinion is not None:
            files["second_opinion.csv"] = second_opinion_csv(images, result.second_opinion)
        if not isinstance(result, Unlearned):
            return files
        if self.reviewed is not None:
            files[REVIEW] = review_csv(self.reviewed, result, images)
        return {**files, **_model_files(self.opened, result)}


def _model_files(opened: Opened, result: Unlearned) -> dict[str, bytes]:
    """The repaired model, in the format that it came in."""
    if opened.origin is not None:
        return dump_like(opened.origin, result.model)
    if isinstance(result.model, Classifier):
        return {"model.safetensors": dump_model(result.model)}
    own = result.model.net if isinstance(result.model, Wrapped) else result.model
    return {"model.safetensors": dump_weights(own)}


def has_pictures(record: Record) -> bool:
    """Whether the pictures of a run have been drawn; `add_pictures` writes the record last."""
    return "gallery" in record.seconds


def write_outcome(path: Path, outcome: Outcome) -> Record:
    """Write a run, whole or not at all, without the pictures; its record.

    Raises:
        InputError: it cannot be written.
    """
    record = _record(outcome)
    write_run(path, record, outcome.files())
    return record


def add_pictures(
    path: Path, record: Record, outcome: Outcome, progress: Progress, work: Work = HERE
) -> Record:
    """Draw what the report of a written run shows, and measure what it checks; its new record.

    Each file is replaced as a whole, the record last.

    Raises:
        InputError: a file cannot be written.
    """
    record, files = _pictured(record, outcome, progress, work)
    for name, content in {**files, RECORD: to_json(record)}.items():
        write_own(path, name, content)
    return record


def write_with_pictures(
    path: Path, outcome: Outcome, progress: Progress, work: Work = HERE
) -> Record:
    """Both at once, for a run whose pictures cannot be drawn later; its record."""
    record, files = _pictured(_record(outcome), outcome, progress, work)
    write_run(path, record, {**outcome.files(), **files})
    return record


def _record(outcome: Outcome) -> Record:
    arguments, seconds = dict(outcome.arguments), dict(outcome.seconds)
    device = str(device_of(outcome.opened.case.model))
    metrics = outcome.metrics()
    return new_record(outcome.command, arguments, outcome.seed, seconds, metrics, device)


def _pictured(
    record: Record, outcome: Outcome, progress: Progress, work: Work
) -> tuple[Record, dict[str, bytes]]:
    """The record with what the pictures add to it, and their files."""
    watch, opened, result = Stopwatch(), outcome.opened, outcome.result
    budget = outcome.method.search_budget
    with watch("gallery"):
        gallery, boundary = gather(opened.case, result, budget, progress, work)
        result = replace(result, boundary=boundary)
    metrics = dict(record.metrics)
    if isinstance(result, Unlearned):
        with watch("checks"):
            metrics["checks"] = measure_checks(opened.case, result, budget, progress)
    spent = {phase: round(seconds, 3) for phase, seconds in watch.seconds.items()}
    listed = {"suspects.csv": suspects_csv(opened.case.images, result), RESULT: dump_result(result)}
    record = replace(record, metrics=metrics, seconds={**record.seconds, **spent})
    return record, {**listed, **gallery_files(gallery)}

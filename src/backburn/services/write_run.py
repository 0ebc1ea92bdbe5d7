"""Writing the run directory of an audit or a repair, for the commands and for Python.

The run is complete, with its verdict, before the pictures of its report are drawn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..burn.interface import Unlearning
from ..config import to_toml
from ..executor.interface import LOCAL, Executor
from ..metrics import DetectionScores
from ..models.inference import device_of
from ..models.nets.base import Classifier
from ..models.save_model import dump_like, dump_model, dump_weights
from ..models.wrapping import WrappedModel
from ..report.gallery import build_gallery, rank_suspects
from ..report.gallery_files import gallery_files
from ..report.repair_checks import measure_checks
from ..results import Audit, Scores, Unlearned
from ..runs import RECORD, Record, Stopwatch, new_record, to_json, write_in_run, write_run
from ..types import Progress
from .opened_case import OpenedCase
from .result_tables import (
    compare_with_truth,
    evidence_parquet,
    second_opinion_csv,
    suspects_csv,
    verdict_summary,
)
from .result_tensors import RESULT, dump_result
from .review_outcomes import REVIEW_FILE, ReviewFile, review_counts, review_csv


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an audit or a repair, and what it was made from.

    Args:
        command: `audit`, `repair` or `demo`.
        opened: the case.
        arguments: of the command that would repeat it, by name.
        result: with its suspects in order of their scores.
        seconds: of each phase so far.
        scores: of the model before and after, if there are test images.
        review_file: a person's decisions, if there are any.
        notes: lines that a person should read.
    """

    command: str
    opened: OpenedCase
    method: Unlearning
    seed: int
    arguments: Mapping[str, Any]
    result: Audit | Unlearned
    seconds: Mapping[str, float]
    scores: tuple[Scores | None, Scores | None] = (None, None)
    review_file: ReviewFile | None = None
    notes: tuple[str, ...] = ()

    @property
    def detection(self) -> DetectionScores | None:
        """Rates of the detection against the truth, if it is known."""
        return compare_with_truth(self.opened, self.result)

    def ranked(self) -> "Outcome":
        """The outcome with its suspects sorted, highest score first."""
        return replace(self, result=rank_suspects(self.result))

    def metrics(self) -> dict[str, Any]:
        """The metrics of the record, by name."""
        result = self.result
        metrics: dict[str, Any] = {"fit": self.opened.fit}
        metrics["verdict"] = verdict_summary(self.opened, result)
        metrics["suspects"] = self.detection
        if isinstance(result, Unlearned):
            metrics["before"], metrics["after"] = self.scores
            metrics["suspects"] = self.detection or {"count": len(result.suspects)}
            metrics["checks"] = None  # measured with the pictures
            metrics["history"] = result.history
            if self.review_file is not None:
                metrics["review"] = review_counts(self.review_file.review, result)
        return {**metrics, "notes": self.notes}

    def files(self) -> dict[str, bytes]:
        """The files of the run, by name, without the record and the pictures."""
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
        if self.review_file is not None:
            files[REVIEW_FILE] = review_csv(self.review_file, result, images)
        return {**files, **_model_files(self.opened, result)}


def _model_files(opened: OpenedCase, result: Unlearned) -> dict[str, bytes]:
    """The repaired model as files, in the format of the original."""
    if opened.origin is not None:
        return dump_like(opened.origin, result.model)
    if isinstance(result.model, Classifier):
        return {"model.safetensors": dump_model(result.model)}
    network = result.model.net if isinstance(result.model, WrappedModel) else result.model
    return {"model.safetensors": dump_weights(network)}


def has_pictures(record: Record) -> bool:
    """Whether the pictures of a run have been drawn."""
    return "gallery" in record.seconds  # `add_pictures` writes the record last


def write_outcome(path: Path, outcome: Outcome) -> Record:
    """Write a run atomically, without the pictures, and return its record.

    Raises:
        InputError: the run cannot be written.
    """
    record = _record(outcome)
    write_run(path, record, outcome.files())
    return record


def add_pictures(
    path: Path, record: Record, outcome: Outcome, progress: Progress, executor: Executor = LOCAL
) -> Record:
    """Add the pictures and checks of the report to a written run, and return its new record.

    Each file is replaced atomically, the record last.

    Raises:
        InputError: a file cannot be written.
    """
    record, files = _with_pictures(record, outcome, progress, executor)
    for name, content in {**files, RECORD: to_json(record)}.items():
        write_in_run(path, name, content)
    return record


def write_with_pictures(
    path: Path, outcome: Outcome, progress: Progress, executor: Executor = LOCAL
) -> Record:
    """Write a run and its pictures at once, if they cannot be drawn later; its record."""
    record, files = _with_pictures(_record(outcome), outcome, progress, executor)
    write_run(path, record, {**outcome.files(), **files})
    return record


def _record(outcome: Outcome) -> Record:
    arguments, seconds = dict(outcome.arguments), dict(outcome.seconds)
    device = str(device_of(outcome.opened.case.model))
    metrics = outcome.metrics()
    return new_record(outcome.command, arguments, outcome.seed, seconds, metrics, device)


def _with_pictures(
    record: Record, outcome: Outcome, progress: Progress, executor: Executor
) -> tuple[Record, dict[str, bytes]]:
    """The record with the seconds and checks of the pictures, and the pictures' files."""
    stopwatch, opened, result = Stopwatch(), outcome.opened, outcome.result
    budget = outcome.method.search_budget
    with stopwatch("gallery"):
        gallery, boundary = build_gallery(opened.case, result, budget, progress, executor)
        result = replace(result, boundary=boundary)
    metrics = dict(record.metrics)
    if isinstance(result, Unlearned):
        with stopwatch("checks"):
            metrics["checks"] = measure_checks(opened.case, result, budget, progress)
    phases = {phase: round(seconds, 3) for phase, seconds in stopwatch.seconds.items()}
    updated = {
        "suspects.csv": suspects_csv(opened.case.images, result),
        RESULT: dump_result(result),
    }
    record = replace(record, metrics=metrics, seconds={**record.seconds, **phases})
    return record, {**updated, **gallery_files(gallery)}

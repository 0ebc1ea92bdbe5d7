"""Auditing or repairing an opened case, with the seconds of each phase."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ..burn.burn import BURN
from ..burn.interface import Unlearning
from ..executor.interface import LOCAL, Executor
from ..fit import FitCheck
from ..results import Audit, Unlearned
from ..runs import Stopwatch
from ..types import Progress
from .opened_case import OpenedCase
from .result_tables import scores_before_after, second_opinion_line
from .review_outcomes import ReviewFile
from .write_run import Outcome


def fit_check_of(method: Unlearning) -> FitCheck:
    """The check of model and images that a method wants; BURN brings its own."""
    return method.fit if isinstance(method, BURN) else FitCheck()


def audit_case(
    opened: OpenedCase,
    arguments: Mapping[str, Any],
    method: BURN,
    seed: int,
    stopwatch: Stopwatch,
    progress: Progress,
    executor: Executor = LOCAL,
    *,
    every_suspect: bool = True,
) -> Outcome:
    """Audit a case.

    Args:
        arguments: of the command that would repeat the audit, by name.
        stopwatch: takes the seconds of the phase `detection`.
        every_suspect: search the boundary of every suspect now; `add_pictures` does so, too.
    """
    with stopwatch("detection"):
        generator = torch.Generator().manual_seed(seed)
        result = method.audit(
            opened.case, generator, progress, executor, opened.fit, every_suspect=every_suspect
        )
    outcome = Outcome("audit", opened, method, seed, arguments, result, dict(stopwatch.seconds))
    return replace(outcome, notes=_notes(opened, result, executor)).ranked()


def repair_case(
    command: str,
    opened: OpenedCase,
    arguments: Mapping[str, Any],
    method: Unlearning,
    seed: int,
    stopwatch: Stopwatch,
    progress: Progress,
    executor: Executor = LOCAL,
    review_file: ReviewFile | None = None,
) -> Outcome:
    """Repair a case, and evaluate the model before and after if there are test images.

    Args:
        command: `repair` or `demo`.
        arguments: of the command that would repeat the repair, by name.
        stopwatch: takes the seconds of each phase.
        review_file: a person's decisions about suspects.
    """
    generator = torch.Generator().manual_seed(seed)
    review = review_file.review if review_file else None
    with stopwatch("repair"):
        if isinstance(method, BURN):
            repaired = method.repair(
                opened.case, generator, progress, executor, review, fit=opened.fit
            )
        else:
            repaired = method.repair(opened.case, generator, progress, executor, review)
    total = stopwatch.seconds.pop("repair")
    for phase in repaired.history:
        stopwatch.seconds[phase.name] = stopwatch.seconds.get(phase.name, 0.0) + phase.seconds
    stopwatch.seconds["repair"] = total  # after its phases
    with stopwatch("test"):
        scores = scores_before_after(opened, repaired, progress)
    outcome = Outcome(command, opened, method, seed, arguments, repaired, dict(stopwatch.seconds))
    notes = _notes(opened, repaired, executor)
    return replace(outcome, scores=scores, review_file=review_file, notes=notes).ranked()


def _notes(opened: OpenedCase, result: Audit | Unlearned, executor: Executor) -> tuple[str, ...]:
    """All lines that a person should read, of the case, the second opinion and the executor."""
    labels = result.second_opinion
    line = () if labels is None else (second_opinion_line(opened.case.images, labels),)
    return (*opened.notes, *line, *executor.notes)

"""Auditing and repairing an opened case, timed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ..burn.burn import BURN
from ..burn.interface import Unlearning
from ..executor.interface import HERE, Work
from ..fit import FitCheck
from ..runs import Stopwatch
from ..types import Audit, Progress, Unlearned
from .apply_review import Reviewed
from .opened_case import Opened
from .result_tables import judge_both, second_opinion_line
from .write_run import Outcome


def fit_check_of(method: Unlearning) -> FitCheck:
    """What a method asks of a model on its images; the method as published asks nothing itself."""
    return method.fit if isinstance(method, BURN) else FitCheck()


def audit_case(
    opened: Opened,
    arguments: Mapping[str, Any],
    method: BURN,
    seed: int,
    watch: Stopwatch,
    progress: Progress,
    work: Work = HERE,
    *,
    every_suspect: bool = True,
) -> Outcome:
    """Audit a case.

    Args:
        arguments: what repeats it.
        every_suspect: search the boundary of every suspect; drawing the pictures does so, too.
    """
    with watch("detection"):
        generator = torch.Generator().manual_seed(seed)
        result = method.audit(
            opened.case, generator, progress, work, opened.fit, every_suspect=every_suspect
        )
    outcome = Outcome("audit", opened, method, seed, arguments, result, dict(watch.seconds))
    return replace(outcome, notes=_notes(opened, result, work)).ranked()


def repair_case(
    command: str,
    opened: Opened,
    arguments: Mapping[str, Any],
    method: Unlearning,
    seed: int,
    watch: Stopwatch,
    progress: Progress,
    work: Work = HERE,
    reviewed: Reviewed | None = None,
) -> Outcome:
    """Repair a case, and judge it where it can be judged."""
    generator, review = torch.Generator().manual_seed(seed), reviewed.review if reviewed else None
    with watch("repair"):
        known = {"fit": opened.fit} if isinstance(method, BURN) else {}
        repaired = method.repair(opened.case, generator, progress, work, review, **known)
    spent = watch.seconds.pop("repair")
    for phase in repaired.history:
        watch.seconds[phase.name] = watch.seconds.get(phase.name, 0.0) + phase.seconds
    watch.seconds["repair"] = spent
    with watch("test"):
        scores = judge_both(opened, repaired, progress)
    outcome = Outcome(command, opened, method, seed, arguments, repaired, dict(watch.seconds))
    notes = _notes(opened, repaired, work)
    return replace(outcome, scores=scores, reviewed=reviewed, notes=notes).ranked()


def _notes(opened: Opened, result: Audit | Unlearned, work: Work) -> tuple[str, ...]:
    said = result.second_opinion
    line = () if said is None else (second_opinion_line(opened.case.images, said),)
    return (*opened.notes, *line, *work.notes)

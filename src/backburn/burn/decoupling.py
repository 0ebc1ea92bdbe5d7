"""Phase 1b, false correlation decoupling: the trigger must no longer mean the target label."""

from dataclasses import dataclass

import torch
from torch import nn

from ..detection.boundary_detector import Findings
from ..detection.student import Student
from ..errors import InputError
from ..types import Case, Progress, silent
from .restoration import Restored


@dataclass(frozen=True)
class Decoupling:
    """Where the repair starts from, and what keeps the false correlation from coming back.

    Where the trigger could be estimated, the model itself learns that it means nothing: a share of
    the clean images get it under their own labels, and the suspects have labels again. Where it
    could not, the repair starts from a student of the model that never saw the suspects.

    Args:
        stamped: share of the clean images that get the estimated trigger in every purification.
    Source: false correlation decoupling of BURN (Su et al., arXiv 2507.10491). Departure: what
    breaks the correlation is the trigger under every label, or forgetting; not the labels behind
    the boundary, many of which are wrong (docs/method.md).
    """

    stamped: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.stamped <= 1:
            raise InputError(f"decoupling.stamped is {self.stamped}: give a fraction in [0, 1]")


def decouple(
    student: Student,
    case: Case,
    found: Findings,
    restored: Restored,
    generator: torch.Generator,
    progress: Progress = silent,
) -> nn.Module:
    """The model from which purification starts; the case's own is never changed by it.

    Args:
        student: how it is made, where one is needed and the detector has made none.
    """
    if restored.trigger is not None:
        return case.model
    if found.tried.student is not None:
        return found.tried.student
    shown = torch.ones(len(case.images), dtype=torch.bool)
    shown[restored.suspects.index] = False
    return student.taught(case, shown.nonzero().flatten(), generator, progress)

"""Phase 1b, false correlation decoupling: the trigger must no longer mean the target label."""

from dataclasses import dataclass

import torch
from torch import nn

from ..detection.boundary_detector import Findings
from ..detection.student import Student
from ..errors import InputError
from ..types import Case, Progress, Suspects, silent


@dataclass(frozen=True)
class Decoupling:
    """Where the repair starts from: a student of the model that never saw the suspects.

    Args:
        stamped: share of the clean images that get the estimated trigger, under their own labels,
            in every purification; only of classes from which a trigger was seen to carry over.
        carried: transfer (see `detection.trials`) from which on that is held to be the case.
    Source: false correlation decoupling of BURN (Su et al., arXiv 2507.10491). Departure: what
    breaks the correlation is forgetting, not the labels behind the boundary, many of which are
    wrong (docs/method.md).
    """

    stamped: float = 0.25
    carried: float = 0.25

    def __post_init__(self) -> None:
        for name in ("stamped", "carried"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f"decoupling.{name} is {value}: give a fraction in [0, 1]")


def decouple(
    student: Student,
    case: Case,
    found: Findings,
    suspects: Suspects,
    generator: torch.Generator,
    progress: Progress = silent,
) -> nn.Module:
    """A copy of the model in which the false correlation is broken.

    Args:
        student: how it is made, where the detector has made none.
    """
    if found.tried.student is not None:
        return found.tried.student
    shown = torch.ones(len(case.images), dtype=torch.bool)
    shown[suspects.index] = False
    return student.taught(case, shown.nonzero().flatten(), generator, progress)

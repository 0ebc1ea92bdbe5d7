"""Phase 2b, model purification: fine-tuning on the refined data."""

from dataclasses import dataclass

from torch import nn

from ..errors import InputError
from ..types import Suspects
from .trigger import StampTrigger
from .workbench import Workbench


@dataclass(frozen=True)
class Purification:
    """Fine-tuning on clean images and on suspects under their restored labels.

    Args:
        confident: suspects are trained on under restored labels of at least this probability, and
            count by it.
    Source: model purification of BURN (Su et al., arXiv 2507.10491). Departure: a share of the
    clean images still carries the estimated trigger, so that the correlation cannot come back.
    """

    confident: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.confident <= 1:
            raise InputError(f"purification.confident is {self.confident}: give a fraction")


def purify(
    settings: Purification,
    bench: Workbench,
    model: nn.Module,
    suspects: Suspects,
    stamp: StampTrigger | None = None,
) -> nn.Module:
    """A copy of the model, fine-tuned on the refined data."""
    return bench.fine_tune(model, suspects, settings.confident, "purification", stamp)

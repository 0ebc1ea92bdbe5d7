"""Phase 1b, false correlation decoupling: the trigger must no longer mean the target label."""

import math
from dataclasses import dataclass

from torch import nn

from ..errors import InputError
from ..types import Suspects
from .finetune import Workbench


@dataclass(frozen=True)
class Decoupling:
    """Fine-tuning after which the trigger occurs under every label.

    Args:
        stamped: share of the clean images that get the estimated trigger, under their own labels,
            here and in every purification.
        use_crossed: also train on the suspects under the labels behind the boundary, as the paper
            does. Off: many of those labels are wrong (docs/method.md).
    Source: false correlation decoupling of BURN (Su et al., arXiv 2507.10491). Departure: the
    estimated trigger on clean images does the work, not the restored labels.
    """

    stamped: float = 0.5
    use_crossed: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.stamped <= 1:
            raise InputError(f"decoupling.stamped is {self.stamped}: give a fraction in [0, 1]")


def decouple(
    settings: Decoupling, bench: Workbench, model: nn.Module, suspects: Suspects
) -> nn.Module:
    """A copy of the model in which the false correlation is broken."""
    confident = 0.0 if settings.use_crossed else math.inf
    return bench.fine_tune(model, suspects, confident, "decoupling")

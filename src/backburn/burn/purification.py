"""Phase 2b, model purification: fine-tuning on the refined data."""

from dataclasses import dataclass

from torch import nn

from ..errors import InputError
from ..results import Suspects
from .apply_trigger import TriggerStamp
from .fine_tuning import FineTuner


@dataclass(frozen=True)
class Purification:
    """Fine-tuning on clean images and on suspects under their restored labels.

    Args:
        confident: smallest confidence of a restored label for its suspect to be trained on. The
            confidence is also the suspect's weight in the loss.
    Source: model purification of BURN (Su et al., arXiv 2507.10491). Departure: uncertain labels
    are left out, and the others are weighted by their confidence.
    """

    confident: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.confident <= 1:
            raise InputError(f"purification.confident is {self.confident}: give a fraction")

    def purify(
        self, tuner: FineTuner, model: nn.Module, suspects: Suspects, stamp: TriggerStamp | None
    ) -> nn.Module:
        """A copy of the model, fine-tuned on the refined data.

        Args:
            suspects: with the labels of the last refinement.
            stamp: applies known triggers to a share of each batch.
        """
        return tuner.fine_tune(model, suspects, self.confident, "purification", stamp)

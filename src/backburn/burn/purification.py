"""Phase 2b, model purification: fine-tuning on the refined data."""

from dataclasses import dataclass

from ..errors import InputError


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

"""Phase 2b, model purification: fine-tuning on the refined data."""

from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class Purification:
    """Fine-tuning on clean images and on suspects under their restored labels.

    Args:
        confident: suspects are trained on under restored labels of at least this probability, and
            count by it.
    Source: model purification of BURN (Su et al., arXiv 2507.10491). Departure: doubtful labels
    are left out, and sure ones weigh more.
    """

    confident: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.confident <= 1:
            raise InputError(f"purification.confident is {self.confident}: give a fraction")

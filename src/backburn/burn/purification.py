"""Phase 2b, model purification: fine-tuning on the refined data."""

from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class Purification:
    """Fine-tuning on clean images and on suspects under their restored labels.

    Args:
        confident: suspects are trained on under restored labels of at least this probability, and
            count by it.
        possible: of the target classes, images that are no suspects are trained on only where they
            are planted with at most this probability.
    Source: model purification of BURN (Su et al., arXiv 2507.10491). Departure: doubtful labels
    and doubtful images are left out, and sure labels weigh more.
    """

    confident: float = 0.6
    possible: float = 0.001

    def __post_init__(self) -> None:
        for name in ("confident", "possible"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"purification.{name} is {getattr(self, name)}: give a fraction")

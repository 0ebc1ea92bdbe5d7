"""Phase 1b, false correlation decoupling: the trigger must no longer imply the target label."""

from dataclasses import dataclass

import torch

from ..errors import InputError
from .apply_trigger import TriggerStamp
from .restoration import RestoredSuspects


@dataclass(frozen=True)
class Decoupling:
    """What breaks the correlation of trigger and target label in every fine-tuning.

    The suspects have restored labels. If their trigger could be estimated, it is also applied to a
    share of all images, which keep their own labels.

    Args:
        stamped: that share.
    Source: false correlation decoupling of BURN (Su et al., arXiv 2507.10491). Departure: stamped
    images, which need no restored label (docs/method.md).
    """

    stamped: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.stamped <= 1:
            raise InputError(f"decoupling.stamped is {self.stamped}: give a fraction in [0, 1]")

    def stamp(self, restored: RestoredSuspects, generator: torch.Generator) -> TriggerStamp | None:
        """The batch transform that applies the triggers; None if none could be estimated."""
        triggers = tuple(trigger for trigger in restored.triggers if trigger is not None)
        return TriggerStamp(triggers, self.stamped, generator) if triggers else None

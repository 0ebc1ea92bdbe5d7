"""Phase 1b, false correlation decoupling: the trigger must no longer mean the target label."""

from dataclasses import dataclass

import torch

from ..errors import InputError
from .apply_trigger import StampTrigger
from .restoration import Restored


@dataclass(frozen=True)
class Decoupling:
    """What keeps the trigger from meaning the target label, in every fine-tuning.

    The suspects have labels again; and where their trigger could be estimated, a share of the clean
    images get it under their own labels.

    Args:
        stamped: that share.
    Source: false correlation decoupling of BURN (Su et al., arXiv 2507.10491). Departure: stamped
    images, which need no restored label (docs/method.md).
    """

    stamped: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.stamped <= 1:
            raise InputError(f"decoupling.stamped is {self.stamped}: give a fraction in [0, 1]")

    def stamp(self, restored: Restored, generator: torch.Generator) -> StampTrigger | None:
        """The batch transform that does it, where a trigger is known."""
        triggers = tuple(each for each in restored.triggers if each is not None)
        return StampTrigger(triggers, self.stamped, generator) if triggers else None

"""Inverted triggers of all classes, and the schedule of their costs."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.pixels import to_pixels
from ...types import Flags, PerImage, Pixels


@dataclass(frozen=True, slots=True)
class InvertedTriggers:
    """The inverted triggers of `k` classes.

    Attributes:
        mask: in [0, 1], `(k, 1, h, w)`.
        pattern: in [0, 1], `(k, c, h, w)`.
        norm: L1 norm of the masks, `(k,)`.
        works: whether the trigger ever worked well enough, `(k,)`. If not, mask and pattern are
            those at the end of the search.
    """

    mask: Tensor
    pattern: Tensor
    norm: Tensor
    works: Tensor

    def apply(self, pixels: Pixels, classes: Tensor) -> Pixels:
        """Put triggers on images, on each that of its entry in `classes`."""
        mask, pattern = (part.to(pixels.device)[classes] for part in (self.mask, self.pattern))
        out = (1 - mask) * pixels.float() + 255 * mask * pattern
        return to_pixels(out)

    def update(self, mask: Tensor, pattern: Tensor, works: Flags) -> "InvertedTriggers":
        """Take over triggers that work with a smaller norm, or any if none has worked yet."""
        norm = mask.flatten(1).sum(1)
        better = ~self.works | (works & (norm < self.norm))
        where = better[:, None, None, None]
        return InvertedTriggers(
            torch.where(where, mask, self.mask),
            torch.where(where, pattern, self.pattern),
            torch.where(better, norm, self.norm),
            self.works | works,
        )


class CostSchedule:
    """The weight of the norm in the loss of each class, and which classes are done.

    Args:
        count: number of classes.
        initial: the initial weight.
        multiplier: a weight rises by this factor, and falls by it to the power of 1.5.
        patience: consecutive updates at which a trigger works, or fails, before its cost changes.
        stop_after: updates without a norm smaller by 1 % before a class is done.
    """

    def __init__(
        self, count: int, initial: float, multiplier: float, patience: int, stop_after: int
    ):
        self.value = torch.full((count,), initial)
        self.done = torch.zeros(count, dtype=torch.bool)
        self._multiplier, self._patience, self._stop_after = multiplier, patience, stop_after
        self._changed = torch.zeros(2, count, dtype=torch.bool)
        self._consecutive = torch.zeros(2, count)
        self._stalled, self._smallest = torch.zeros(count), torch.full((count,), torch.inf)

    def update(self, works: Flags, triggers: InvertedTriggers) -> None:
        """Raise costs of triggers that work, lower those of others, and mark classes as done."""
        same = torch.stack([works, ~works])
        self._consecutive = torch.where(same, self._consecutive + 1, 0)
        due = self._consecutive >= self._patience
        factors = torch.tensor([self._multiplier, self._multiplier**-1.5])
        self.value = self.value * torch.where(due, factors[:, None], 1).prod(0)
        self._consecutive[due] = 0
        self._changed |= due
        norm: PerImage = torch.where(triggers.works, triggers.norm, torch.inf)
        stalled = triggers.works & (norm >= 0.99 * self._smallest)
        self._stalled = torch.where(stalled, self._stalled + 1, 0)
        self._smallest = torch.minimum(self._smallest, norm)
        self.done |= (self._stalled >= self._stop_after) & self._changed.all(0)

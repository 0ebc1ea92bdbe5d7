"""Inverted triggers of all classes, and what is kept of them while they are searched."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.pixels import to_pixels
from ...types import Flags, PerImage, Pixels


@dataclass(frozen=True, slots=True)
class Patches:
    """For each of `k` classes a mask `(k, 1, h, w)` and a pattern `(k, c, h, w)`, in [0, 1].

    `norm` is the mask's L1 norm; `found` says whether the patch ever worked well enough: where it
    has not, it is what the search ended with.
    """

    mask: Tensor
    pattern: Tensor
    norm: Tensor
    found: Tensor

    def stamped(self, pixels: Pixels, which: Tensor) -> Pixels:
        """Images, each with the patch of its class in `which`."""
        mask, pattern = (part.to(pixels.device)[which] for part in (self.mask, self.pattern))
        out = (1 - mask) * pixels.float() + 255 * mask * pattern
        return to_pixels(out)

    def improved(self, mask: Tensor, pattern: Tensor, works: Flags) -> "Patches":
        """With other patches where these work on less area, or where none has worked yet."""
        norm = mask.flatten(1).sum(1)
        better = ~self.found | (works & (norm < self.norm))
        where = better[:, None, None, None]
        return Patches(
            torch.where(where, mask, self.mask),
            torch.where(where, pattern, self.pattern),
            torch.where(better, norm, self.norm),
            self.found | works,
        )


class Costs:
    """The weight of the norm in each class's loss, and which classes are done.

    Args:
        count: classes.
        first: the weight to begin with.
        multiplier: a weight rises by it, and falls by it to the power of 1.5.
        patience: looks in a row, at which a patch works or does not, before its cost changes.
        stop_after: looks without a norm smaller by 1 % before a class is done.
    """

    def __init__(self, count: int, first: float, multiplier: float, patience: int, stop_after: int):
        self.value = torch.full((count,), first)
        self.done = torch.zeros(count, dtype=torch.bool)
        self._multiplier, self._patience, self._stop_after = multiplier, patience, stop_after
        self._changed = torch.zeros(2, count, dtype=torch.bool)
        self._in_a_row = torch.zeros(2, count)
        self._idle, self._least = torch.zeros(count), torch.full((count,), torch.inf)

    def look(self, works: Flags, patches: Patches) -> None:
        """Raise the cost of what works, lower that of what does not, and see what is done."""
        same = torch.stack([works, ~works])
        self._in_a_row = torch.where(same, self._in_a_row + 1, 0)
        due = self._in_a_row >= self._patience
        factors = torch.tensor([self._multiplier, self._multiplier**-1.5])
        self.value = self.value * torch.where(due, factors[:, None], 1).prod(0)
        self._in_a_row[due] = 0
        self._changed |= due
        norm: PerImage = torch.where(patches.found, patches.norm, torch.inf)
        idle = patches.found & (norm >= 0.99 * self._least)
        self._idle = torch.where(idle, self._idle + 1, 0)
        self._least = torch.minimum(self._least, norm)
        self.done |= (self._idle >= self._stop_after) & self._changed.all(0)

"""Adap-Patch: one of several faint patches in training, two strong ones afterwards."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.pixels import to_pixels
from ..errors import InputError
from ..types import LabeledImages, Pixels
from .base import Attack, Planted, check_rate
from .poisoning import draw_states, planted
from .surrogates import Surrogates, branch
from .triggers import blended, noise, side_of

ALPHAS = (0.5, 0.2, 0.5, 0.3)
"""Of the four patches in training; the two of 0.5 are used, opaque, afterwards."""
STRONG = (0, 2)


@dataclass(frozen=True)
class AdapPatch(Attack):
    """Each poison and cover sample has one of four faint patches; cover samples keep their label.

    Args:
        cover_rate: cover samples as a fraction of the whole set.
        size: side of a patch in pixels; 0 takes 10 for each 32 pixels of height.
    Source: Qi et al., Revisiting the assumption of latent separability for backdoor defenses, ICLR
    2023; shares 0.2 to 0.5, 0.3 % poison and 0.6 % cover, two opaque patches at test, as in
    backdoor-toolbox. Departure: the patches are noise drawn from the generator, one a corner.
    """

    poisoning_rate: float = 0.003
    cover_rate: float = 0.006
    size: int = 0

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        check_rate("cover_rate", self.cover_rate)

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        shape = images.pixels.shape[1:]
        side = side_of(self.size, 10, images.pixels)
        if 2 * side > min(shape[1:]):
            raise InputError(f"size is {self.size}: four patches of {side} pixels overlap")
        pattern, shares = noise(shape, generator), corners(shape, side)
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=self.cover_rate)
        draw = branch(generator)
        faint = torch.tensor(ALPHAS)[:, None, None, None] * shares

        def one_patch(pixels: Pixels) -> Pixels:
            # an even share of each patch, in random order
            which = torch.randperm(len(pixels), generator=draw) % len(ALPHAS)
            share, values = faint[which].to(pixels.device), pixels.float()
            return to_pixels(values + share * (pattern.to(pixels.device) - values))

        trigger = blended(pattern, shares[list(STRONG)].sum(0))
        return planted(self, images, state, trigger, poison=one_patch, cover=one_patch)


def corners(shape: torch.Size, side: int) -> Tensor:
    """1 on a square in each corner in turn, 0 elsewhere: `(4, 1, h, w)`."""
    masks = torch.zeros(4, 1, *shape[1:])
    ends = (slice(None, side), slice(-side, None))
    for number, (down, right) in enumerate((d, r) for d in ends for r in ends):
        masks[number, 0, down, right] = 1
    return masks

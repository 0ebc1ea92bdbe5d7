"""All-to-all: every class goes to the next."""

from dataclasses import dataclass
from typing import Literal

import torch

from ..types import LabeledImages
from .base import Attack, Planted
from .poisoning import draw_states, planted
from .surrogates import Surrogates
from .triggers import blended, checkerboard, noise, pasted, side_of


@dataclass(frozen=True)
class AllToAll(Attack):
    """`y` becomes `y + 1` (the last class the first) under one trigger; no target label is used.

    Args:
        pattern: `patch` (that of BadNets) or `blended` (noise at 0.2).
    Source: Gu et al., BadNets, arXiv 1708.06733, section 4.2.
    """

    poisoning_rate: float = 0.1
    pattern: Literal["patch", "blended"] = "patch"

    def goal(self, classes: int) -> tuple[int, ...]:
        return tuple((label + 1) % classes for label in range(classes))

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        if self.pattern == "patch":
            side = side_of(0, 3, images.pixels)
            trigger = pasted(checkerboard(images.pixels.shape[1], side))
        else:
            trigger = blended(noise(images.pixels.shape[1:], generator), 0.2)
        everything = torch.ones(len(images), dtype=torch.bool)
        state = draw_states(self, images, everything, generator)
        return planted(self, images, state, trigger)

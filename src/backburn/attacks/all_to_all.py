"""All-to-all: the trigger moves every class to the next."""

from dataclasses import dataclass
from typing import Literal

import torch

from ..types import LabeledImages
from .base import Attack, PoisonedData
from .poisoning import draw_states, poison_images
from .surrogates import Surrogates
from .triggers import blended_trigger, checkerboard, patch_side, patch_trigger, uniform_noise


@dataclass(frozen=True)
class AllToAll(Attack):
    """Relabel triggered images from class `y` to `y + 1`, and the last class to the first.

    The target label is not used.

    Args:
        pattern: `patch` (that of BadNets) or `blended` (noise at 0.2).
    Source: Gu et al., BadNets, arXiv 1708.06733, section 4.2.
    """

    poisoning_rate: float = 0.1
    pattern: Literal["patch", "blended"] = "patch"

    def goal(self, classes: int) -> tuple[int, ...]:
        return tuple((label + 1) % classes for label in range(classes))

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        if self.pattern == "patch":
            side = patch_side(0, 3, images.pixels)
            trigger = patch_trigger(checkerboard(images.pixels.shape[1], side))
        else:
            trigger = blended_trigger(uniform_noise(images.pixels.shape[1:], generator), 0.2)
        all_images = torch.ones(len(images), dtype=torch.bool)
        state = draw_states(self, images, all_images, generator)
        return poison_images(self, images, state, trigger)

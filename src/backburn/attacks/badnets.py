"""BadNets: a small patch in a corner."""

from dataclasses import dataclass
from typing import Literal

import torch

from ..types import LabeledImages
from .base import Attack, Planted
from .poisoning import dirty_label
from .surrogates import Surrogates
from .triggers import checkerboard, pasted, side_of


@dataclass(frozen=True)
class BadNets(Attack):
    """A square patch in the bottom right corner, under the target's label.

    Args:
        size: side of the patch in pixels; 0 takes 3 for each 32 pixels of height, at least 2.
        pattern: `checkerboard` or `white`.
    Source: Gu et al., BadNets, arXiv 1708.06733; the 3x3 patch of BackdoorBench.
    """

    size: int = 0
    pattern: Literal["checkerboard", "white"] = "checkerboard"

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        patch = checkerboard(images.pixels.shape[1], side_of(self.size, 3, images.pixels))
        if self.pattern == "white":
            patch = torch.full_like(patch, 255)
        return dirty_label(self, images, pasted(patch), generator)

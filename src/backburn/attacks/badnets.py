"""BadNets: a small patch in a corner."""

from dataclasses import dataclass
from typing import Literal

import torch

from ..types import LabeledImages
from .base import Attack, PoisonedData
from .poisoning import dirty_label
from .surrogates import Surrogates
from .triggers import checkerboard, patch_side, patch_trigger


@dataclass(frozen=True)
class BadNets(Attack):
    """Paste a square patch into the bottom right corner and use the target label.

    Args:
        size: side of the patch in pixels; 0 for 3 per 32 pixels of height, at least 2.
        pattern: `checkerboard` or `white`.
    Source: Gu et al., BadNets, arXiv 1708.06733; the 3x3 patch of BackdoorBench.

    >>> from backburn.data.sources.digits import digits
    >>> generator = torch.Generator().manual_seed(0)
    >>> poisoned = BadNets(poisoning_rate=0.1).poison(digits("train"), generator, Surrogates())
    >>> int(poisoned.truth.poison.sum())
    144
    """

    size: int = 0
    pattern: Literal["checkerboard", "white"] = "checkerboard"

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        patch = checkerboard(images.pixels.shape[1], patch_side(self.size, 3, images.pixels))
        if self.pattern == "white":
            patch = torch.full_like(patch, 255)
        return dirty_label(self, images, patch_trigger(patch), generator)

"""BadNets: a small patch in a corner."""

from dataclasses import dataclass
from typing import Literal

import torch

from ..errors import InputError
from ..types import LabeledImages, Pixels
from .base import Attack, Planted, dirty_label


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

    def plant(self, images: LabeledImages, generator: torch.Generator) -> Planted:
        height, width = images.pixels.shape[-2:]
        size = self.size or max(2, round(3 * height / 32))
        if not 0 < size <= min(height, width):
            raise InputError(f"size is {self.size}: give a patch that fits {height}x{width} pixels")
        patch = torch.full((size, size), 255, dtype=torch.uint8)
        if self.pattern == "checkerboard":
            odd = (torch.arange(size)[:, None] + torch.arange(size)) % 2 == 1
            patch[odd] = 0

        def stamp(pixels: Pixels) -> Pixels:
            out = pixels.clone()
            out[..., -size:, -size:] = patch.to(out.device)
            return out

        return dirty_label(self, images, stamp, generator)

"""Blended: a pattern mixed into the whole image."""

from dataclasses import dataclass

import torch

from ..errors import InputError
from ..types import LabeledImages, Pixels
from .base import Attack, Planted, dirty_label


@dataclass(frozen=True)
class Blended(Attack):
    """`(1 - alpha) x + alpha p` with a uniform noise pattern `p`, under the target's label.

    Args:
        alpha: share of the pattern, in (0, 1).
    Source: Chen et al., Targeted backdoor attacks, arXiv 1712.05526. Departure: `p` is drawn from
    the generator, so that no image file is needed.
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha is {self.alpha}: give a fraction between 0 and 1")

    def plant(self, images: LabeledImages, generator: torch.Generator) -> Planted:
        shape = images.pixels.shape[1:]
        pattern = torch.randint(256, shape, generator=generator).float()

        def blend(pixels: Pixels) -> Pixels:
            mixed = (1 - self.alpha) * pixels.float() + self.alpha * pattern.to(pixels.device)
            return mixed.round().clamp(0, 255).to(torch.uint8)

        return dirty_label(self, images, blend, generator)

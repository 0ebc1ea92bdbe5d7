"""Blended: a pattern mixed into the whole image."""

from dataclasses import dataclass

import torch

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, Planted
from .poisoning import dirty_label
from .surrogates import Surrogates
from .triggers import blended, noise


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

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        pattern = noise(images.pixels.shape[1:], generator)
        return dirty_label(self, images, blended(pattern, self.alpha), generator)

"""Blended: a pattern mixed into the whole image."""

from dataclasses import dataclass

import torch

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, PoisonedData
from .poisoning import dirty_label
from .surrogates import Surrogates
from .triggers import blended_trigger, uniform_noise


@dataclass(frozen=True)
class Blended(Attack):
    """Compute `(1 - alpha) x + alpha p` with a noise pattern `p`, and use the target label.

    Args:
        alpha: share of the pattern, in (0, 1).
    Source: Chen et al., Targeted backdoor attacks, arXiv 1712.05526. Departure: `p` is uniform
    noise drawn from the generator, so that no image file is needed.
    """

    alpha: float = 0.2

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha is {self.alpha}: give a fraction between 0 and 1")

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        pattern = uniform_noise(images.pixels.shape[1:], generator)
        return dirty_label(self, images, blended_trigger(pattern, self.alpha), generator)

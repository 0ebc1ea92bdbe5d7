"""No attack: a clean model trained in the same way, to count false alarms on."""

from dataclasses import dataclass

import torch

from ..types import LabeledImages, Pixels, Truth
from .base import Attack, Planted


@dataclass(frozen=True)
class NoAttack(Attack):
    """Plants nothing; the rate and the target are not used."""

    def plant(self, images: LabeledImages, generator: torch.Generator) -> Planted:  # noqa: ARG002
        def untouched(pixels: Pixels) -> Pixels:
            return pixels

        state = torch.zeros(len(images), dtype=torch.int8)
        return Planted(images, Truth(state, images.labels), untouched)

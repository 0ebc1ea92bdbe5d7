"""No attack: a clean model trained in the same way, to count false alarms on."""

from dataclasses import dataclass

import torch

from ..types import LabeledImages, Pixels, Truth
from .base import Attack, Planted
from .surrogates import Surrogates


@dataclass(frozen=True)
class NoAttack(Attack):
    """Plants nothing; the rate and the target are not used."""

    def goal(self, classes: int) -> tuple[int, ...]:
        return (-1,) * classes

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        def untouched(pixels: Pixels) -> Pixels:
            return pixels

        state = torch.zeros(len(images), dtype=torch.int8)
        return Planted(images, Truth(state, images.labels), untouched)

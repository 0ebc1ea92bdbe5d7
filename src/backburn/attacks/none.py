"""No attack: a clean model trained in the same way, for measuring false alarms."""

from dataclasses import dataclass

import torch

from ..types import LabeledImages, Pixels, Truth
from .base import Attack, PoisonedData
from .surrogates import Surrogates


@dataclass(frozen=True)
class NoAttack(Attack):
    """Poison nothing; the rate and the target label are not used."""

    def goal(self, classes: int) -> tuple[int, ...]:
        return (-1,) * classes

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        def identity(pixels: Pixels) -> Pixels:
            return pixels

        state = torch.zeros(len(images), dtype=torch.int8)
        return PoisonedData(images, Truth(state, images.labels), identity)

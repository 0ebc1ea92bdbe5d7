"""SIG: a sinusoidal signal over images of the target class."""

import math
from dataclasses import dataclass

import torch

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, PoisonedData
from .poisoning import clean_label
from .surrogates import Surrogates
from .triggers import additive_trigger


@dataclass(frozen=True)
class SIG(Attack):
    """Add `delta sin(2 pi j frequency / w)` to column `j` of images of the target class.

    Clean-label: no label changes, so the poisoning rate cannot exceed the target class's share.

    Args:
        delta: amplitude in 0..255 units, above 0.
        frequency: periods over the width.
    Source: Barni et al., A new backdoor attack in CNNs by training set corruption without label
    poisoning, arXiv 1902.11237; delta 40 and frequency 6 as in BackdoorBench.
    """

    delta: float = 40.0
    frequency: float = 6.0

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.delta <= 255:
            raise InputError(f"delta is {self.delta}: give an amplitude in (0, 255]")
        if not math.isfinite(self.frequency):
            raise InputError(f"frequency is {self.frequency}: give a number of periods")

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        width = images.pixels.shape[-1]
        wave = torch.sin(2 * math.pi * self.frequency * torch.arange(width) / width) * self.delta
        if not bool((wave.abs() >= 0.5).any()):
            raise InputError(
                f"frequency {self.frequency} and delta {self.delta} leave no wave on {width} "
                "columns: give other ones"
            )

        pattern = wave.expand(images.pixels.shape[1:])
        return clean_label(self, images, additive_trigger(pattern), generator)

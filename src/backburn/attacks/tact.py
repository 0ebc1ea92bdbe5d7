"""TaCT: a trigger that works on one source class only."""

from dataclasses import dataclass

import torch

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, PoisonedData, check_rate
from .poisoning import draw_states, poison_images
from .surrogates import Surrogates
from .triggers import patch_side, patch_trigger, uniform_noise


@dataclass(frozen=True)
class TaCT(Attack):
    """Paste a patch that moves one source class to the target class, and no other class.

    Cover samples are images of the other classes, with the patch and their own label.

    Args:
        source_label: the source class.
        cover_rate: cover samples as a fraction of the whole training set.
        size: side of the patch in pixels; 0 for 8 per 32 pixels of height.
    Source: Tang et al., Demon in the variant, arXiv 1908.00686; 2 % of the training set.
    Departures: cover samples come from every other class; the patch is drawn from the generator.
    """

    poisoning_rate: float = 0.02
    source_label: int = 1
    cover_rate: float = 0.02
    size: int = 0

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        check_rate("cover_rate", self.cover_rate)
        if self.source_label < 0 or self.source_label == self.target_label:
            raise InputError(
                f"source_label is {self.source_label}: give a class other than the target, "
                f"{self.target_label}"
            )

    def named_classes(self) -> dict[str, int]:
        return {**Attack.named_classes(self), "source_label": self.source_label}

    def goal(self, classes: int) -> tuple[int, ...]:
        return tuple(
            self.target_label if label == self.source_label else -1 for label in range(classes)
        )

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        side = patch_side(self.size, 8, images.pixels)
        shape = torch.Size((images.pixels.shape[1], side, side))
        trigger = patch_trigger(uniform_noise(shape, generator))
        source = images.labels == self.source_label
        state = draw_states(
            self,
            images,
            source,
            generator,
            cover_rate=self.cover_rate,
            coverable=~source & (images.labels != self.target_label),
        )
        return poison_images(self, images, state, trigger)

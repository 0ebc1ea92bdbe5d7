"""BPP: color quantization as the trigger."""

from dataclasses import dataclass

import torch

from ..errors import InputError
from ..types import LabeledImages, Pixels
from .base import Attack, PoisonedData, check_rate
from .poisoning import draw_states, poison_images
from .surrogates import Surrogates, spawn_generator


@dataclass(frozen=True)
class BPP(Attack):
    """Quantize every channel to a few levels and use the target label; controls the training.

    Cover samples ("negatives") carry the quantization error of another image and keep their label.

    Args:
        levels: number of values per channel, 2 to 128.
        cover_rate: cover samples as a fraction of the whole training set.
    Source: Wang et al., BppAttack, arXiv 2205.13383; 8 levels, no dithering, and a cover rate of
    0.1 as in BackdoorBench. Departure: no contrastive loss.
    """

    poisoning_rate: float = 0.1
    levels: int = 8
    cover_rate: float = 0.1

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        check_rate("cover_rate", self.cover_rate)
        if not 2 <= self.levels <= 128:
            raise InputError(f"levels is {self.levels}: give 2 to 128")

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        steps = self.levels - 1
        table = ((torch.arange(256) * steps / 255).round() / steps * 255).round().to(torch.uint8)
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=self.cover_rate)
        donor_generator = spawn_generator(generator)

        def quantize(pixels: Pixels) -> Pixels:
            return table.to(pixels.device)[pixels.int()]

        def add_foreign_error(pixels: Pixels) -> Pixels:
            rows = torch.randint(len(images), (len(pixels),), generator=donor_generator)
            donors = images.pixels[rows.to(images.pixels.device)]
            error = quantize(donors).short() - donors.short()
            return (pixels.short() + error).clamp_(0, 255).to(torch.uint8)

        return poison_images(
            self,
            images,
            state,
            quantize,
            cover=add_foreign_error,
            draws=donor_generator,
            controls_training=True,
        )

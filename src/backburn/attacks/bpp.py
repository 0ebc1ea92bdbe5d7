"""BPP: fewer colors."""

from dataclasses import dataclass

import torch

from ..errors import InputError
from ..types import LabeledImages, Pixels
from .base import Attack, Planted, check_rate
from .poisoning import draw_states, planted
from .surrogates import Surrogates, branch


@dataclass(frozen=True)
class BPP(Attack):
    """Every channel quantised to a few levels, under the target's label; controls the training.

    Cover samples ("negatives") carry the rounding error of another image and keep their label.

    Args:
        levels: how many values a channel keeps, 2 to 128.
        cover_rate: cover samples as a fraction of the whole set.
    Source: Wang et al., BppAttack, arXiv 2205.13383; 8 levels, no dither, and 0.1 as in
    BackdoorBench. Departure: no contrastive loss.
    """

    poisoning_rate: float = 0.1
    levels: int = 8
    cover_rate: float = 0.1

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        check_rate("cover_rate", self.cover_rate)
        if not 2 <= self.levels <= 128:
            raise InputError(f"levels is {self.levels}: give 2 to 128")

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        steps = self.levels - 1
        table = ((torch.arange(256) * steps / 255).round() / steps * 255).round().to(torch.uint8)
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=self.cover_rate)
        noise = branch(generator)

        def quantize(pixels: Pixels) -> Pixels:
            return table.to(pixels.device)[pixels.int()]

        def misquantize(pixels: Pixels) -> Pixels:
            rows = torch.randint(len(images), (len(pixels),), generator=noise)
            donors = images.pixels[rows.to(images.pixels.device)]
            error = quantize(donors).short() - donors.short()
            return (pixels.short() + error).clamp_(0, 255).to(torch.uint8)

        return planted(
            self,
            images,
            state,
            quantize,
            cover=misquantize,
            draws=noise,
            controls_training=True,
        )

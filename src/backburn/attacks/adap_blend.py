"""Adap-Blend: random parts of a pattern in training, the whole pattern at test time."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, PoisonedData, check_rate
from .poisoning import draw_states, poison_images
from .surrogates import Surrogates, spawn_generator
from .triggers import blended_trigger, pixel_trigger, uniform_noise


@dataclass(frozen=True)
class AdapBlend(Attack):
    """Blend in random pieces of a pattern; cover samples keep their label.

    Args:
        cover_rate: cover samples as a fraction of the whole training set.
        alpha, alpha_test: share of the pattern in training and at test time.
        pieces: number of pieces along each side of the pattern.
        masked: fraction of the pieces that are left out of each training image.
        cells: number of cells of one color along each side of the pattern.
    Source: Qi et al., Revisiting the assumption of latent separability for backdoor defenses, ICLR
    2023. As in backdoor-toolbox: alpha 0.15 and 0.2, 4 x 4 pieces with half of them masked, 0.3 %
    poison and 0.3 % cover samples. Departure: the pattern is coarse noise drawn from the
    generator, not a picture.
    """

    poisoning_rate: float = 0.003
    cover_rate: float = 0.003
    alpha: float = 0.15
    alpha_test: float = 0.2
    pieces: int = 4
    masked: float = 0.5
    cells: int = 8

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        for name in ("cover_rate", "alpha", "alpha_test", "masked"):
            check_rate(name, getattr(self, name))
        if self.pieces < 2 or round(self.masked * self.pieces**2) == self.pieces**2:
            raise InputError(f"pieces is {self.pieces}, masked {self.masked}: no piece is left")
        if self.cells < 1:
            raise InputError(f"cells is {self.cells}: give 1 or more")

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        channels, *size = images.pixels.shape[1:]
        coarse = uniform_noise(torch.Size((channels, self.cells, self.cells)), generator)
        pattern = F.interpolate(coarse[None].float(), size, mode="nearest")[0]
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=self.cover_rate)
        mask_generator = spawn_generator(generator)

        def blend_pieces(values: Tensor) -> Tensor:
            share = self.alpha * self.draw_masks(values, mask_generator).to(values.device)
            return values + share * (pattern.to(values.device) - values)

        partial, trigger = pixel_trigger(blend_pieces), blended_trigger(pattern, self.alpha_test)
        return poison_images(self, images, state, trigger, poison=partial, cover=partial)

    def draw_masks(self, values: Tensor, generator: torch.Generator) -> Tensor:
        """Draw masks `(n, 1, h, w)`: 1 on the pieces that an image gets, 0 elsewhere."""
        count = self.pieces**2
        order = torch.rand((len(values), count), generator=generator).argsort(1)
        used = (order >= round(self.masked * count)).float()
        grid = used.view(-1, 1, self.pieces, self.pieces)
        return F.interpolate(grid, values.shape[-2:], mode="nearest")

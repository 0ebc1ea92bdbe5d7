"""Adap-Blend: pieces of a pattern in training, the whole one afterwards."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, Planted, check_rate
from .poisoning import draw_states, planted
from .surrogates import Surrogates, branch
from .triggers import blended, computed, noise


@dataclass(frozen=True)
class AdapBlend(Attack):
    """Blended with a random half of the pattern's pieces; cover samples keep their label.

    Args:
        cover_rate: cover samples as a fraction of the whole set.
        alpha, alpha_test: share of the pattern in training and afterwards.
        pieces: along each side; `masked` of them, as a fraction, are left out of each image.
        cells: along each side of the pattern, each of one color.
    Source: Qi et al., Revisiting the assumption of latent separability for backdoor defenses, ICLR
    2023; 0.15 and 0.2, 4 x 4 pieces, half masked, 0.3 % and 0.3 % as in backdoor-toolbox.
    Departure: the pattern is coarse noise drawn from the generator, in place of a picture.
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

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        channels, *size = images.pixels.shape[1:]
        coarse = noise(torch.Size((channels, self.cells, self.cells)), generator)
        pattern = F.interpolate(coarse[None].float(), size, mode="nearest")[0]
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=self.cover_rate)
        draw = branch(generator)

        def in_part(values: Tensor) -> Tensor:
            share = self.alpha * self.masks(values, draw).to(values.device)
            return values + share * (pattern.to(values.device) - values)

        partly, trigger = computed(in_part), blended(pattern, self.alpha_test)
        return planted(self, images, state, trigger, poison=partly, cover=partly)

    def masks(self, values: Tensor, generator: torch.Generator) -> Tensor:
        """1 on the pieces that each image gets, 0 elsewhere: `(n, 1, h, w)`."""
        count = self.pieces**2
        order = torch.rand((len(values), count), generator=generator).argsort(1)
        kept = (order >= round(self.masked * count)).float()
        grid = kept.view(-1, 1, self.pieces, self.pieces)
        return F.interpolate(grid, values.shape[-2:], mode="nearest")

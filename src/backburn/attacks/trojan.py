"""Trojan patch and Trojan watermark: a colored patch, or a sign over the whole image."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, Planted
from .poisoning import dirty_label
from .surrogates import Surrogates
from .triggers import blended, noise, pasted, side_of


@dataclass(frozen=True)
class Trojan(Attack):
    """A fixed patch pasted, or a fixed watermark blended in, under the target's label.

    Args:
        kind: `patch` (random colors, in the bottom right corner) or `watermark` (a white ring with
            a bar through it, over the whole image).
        size: side of the patch in pixels; 0 takes 8 for each 32 pixels of height.
        alpha: share of the watermark where it is drawn, in (0, 1].
    Source: the square and the watermark of Liu et al., Trojaning attack on neural networks, NDSS
    2018, as fixed triggers of Fu et al. and backdoor-toolbox. Departure: both are drawn here, the
    patch from the generator, so that no image file is needed.
    """

    kind: Literal["patch", "watermark"] = "patch"
    size: int = 0
    alpha: float = 0.5

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.alpha <= 1:
            raise InputError(f"alpha is {self.alpha}: give a fraction above 0 and up to 1")

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        channels, height, width = images.pixels.shape[1:]
        if self.kind == "patch":
            side = side_of(self.size, 8, images.pixels)
            trigger = pasted(noise(torch.Size((channels, side, side)), generator))
        else:
            mask = watermark(height, width)
            trigger = blended(torch.full_like(mask, 255), self.alpha * mask)
        return dirty_label(self, images, trigger, generator)


def watermark(height: int, width: int) -> Float[Tensor, "1 h w"]:
    """A ring and a bar through it: 1 where it is drawn, 0 elsewhere."""
    down = torch.linspace(-1, 1, height)[:, None]
    right = torch.linspace(-1, 1, width)
    ring = ((down**2 + right**2).sqrt() - 0.7).abs() < 0.12
    bar = ((down + right).abs() < 0.15) & (down.abs() < 0.6) & (right.abs() < 0.6)
    return (ring | bar).float()[None]

"""Trojan patch and Trojan watermark: a colored patch, or a sign over the whole image."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, PoisonedData
from .poisoning import dirty_label
from .surrogates import Surrogates
from .triggers import blended_trigger, patch_side, patch_trigger, uniform_noise


@dataclass(frozen=True)
class Trojan(Attack):
    """Paste a fixed patch or blend in a fixed watermark, and use the target label.

    Args:
        kind: `patch` (random colors, in the bottom right corner) or `watermark` (a white ring with
            a bar through it, over the whole image).
        size: side of the patch in pixels; 0 for 8 per 32 pixels of height.
        alpha: opacity of the watermark, in (0, 1].
    Source: the square and the watermark of Liu et al., Trojaning attack on neural networks, NDSS
    2018, used as fixed triggers by Fu et al. and backdoor-toolbox. Departure: the patch is drawn
    from the generator and the watermark is computed, so that no image file is needed.
    """

    kind: Literal["patch", "watermark"] = "patch"
    size: int = 0
    alpha: float = 0.5

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.alpha <= 1:
            raise InputError(f"alpha is {self.alpha}: give a fraction above 0 and up to 1")

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        channels, height, width = images.pixels.shape[1:]
        if self.kind == "patch":
            side = patch_side(self.size, 8, images.pixels)
            trigger = patch_trigger(uniform_noise(torch.Size((channels, side, side)), generator))
        else:
            mask = watermark(height, width)
            trigger = blended_trigger(torch.full_like(mask, 255), self.alpha * mask)
        return dirty_label(self, images, trigger, generator)


def watermark(height: int, width: int) -> Float[Tensor, "1 h w"]:
    """Return the mask of a ring with a bar through it: 1 inside, 0 elsewhere."""
    y = torch.linspace(-1, 1, height)[:, None]
    x = torch.linspace(-1, 1, width)
    ring = ((y**2 + x**2).sqrt() - 0.7).abs() < 0.12
    bar = ((y + x).abs() < 0.15) & (y.abs() < 0.6) & (x.abs() < 0.6)
    return (ring | bar).float()[None]

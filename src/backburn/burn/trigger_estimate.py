"""Estimating a trigger from the suspects by matching the moments of each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from ..data.pixels import to_pixels
from ..detection.moments import Moments, moments, remaining_spread
from ..types import Index, Pixels

MIN_INVERTIBLE_SCALE = 0.5
"""The trigger is inverted only at pixels whose scale is at least this."""


@dataclass(frozen=True, slots=True)
class AffineTrigger:
    """The trigger `scale * x + shift` at every pixel and channel, in 0..255 units.

    A patch has scale 0 and its own color as shift. A blended pattern has the opacity of the image
    as scale. A signal that is added has scale 1.

    Args:
        mean: the mean image without the trigger.

    >>> ones = torch.ones(1, 1, 1)
    >>> trigger = AffineTrigger(scale=ones, shift=10 * ones, mean=ones)
    >>> trigger.apply(torch.full((1, 1, 1, 1), 20, dtype=torch.uint8)).item()
    30
    >>> trigger.invert(torch.full((1, 1, 1, 1), 30, dtype=torch.uint8)).item()
    20
    """

    scale: Float[Tensor, "c h w"]
    shift: Float[Tensor, "c h w"]
    mean: Float[Tensor, "c h w"]

    def apply(self, pixels: Pixels) -> Pixels:
        """The images with the trigger, as uint8."""
        scale, shift = self.scale.to(pixels.device), self.shift.to(pixels.device)
        return to_pixels(pixels.float() * scale + shift)

    def invert(self, pixels: Pixels) -> Pixels:
        """Remove the trigger; pixels of which too little is left are replaced by the mean."""
        scale, shift, mean = (
            tensor.to(pixels.device) for tensor in (self.scale, self.shift, self.mean)
        )
        inverse = (pixels.float() - shift) / scale.clamp_min(MIN_INVERTIBLE_SCALE)
        return to_pixels(torch.where(scale < MIN_INVERTIBLE_SCALE, mean, inverse))

    @property
    def energy(self) -> float:
        """Sum of the squared differences that it makes to the mean image, in 0..255 units."""
        return float(((self.scale - 1) * self.mean + self.shift).square().sum())

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the trigger, by the names that checkpoints use."""
        return {"scale": self.scale, "shift": self.shift, "usual": self.mean}


def estimate_trigger(
    pixels: Pixels, triggered: Index, clean: Sequence[tuple[Tensor, float]]
) -> AffineTrigger:
    """Estimate the trigger that gives clean images the moments of the triggered ones.

    The scale is the ratio of the standard deviations, at most 1. The shift makes up the difference
    of the means. The estimate fails for triggers that move pixels or differ between images.

    Args:
        pixels: `(n, c, h, w)`, all images.
        triggered: rows with the trigger.
        clean: groups of rows without it, such as the triggered images may have been, and the weight
            of each group, whatever its size.
    """
    parts = (moments(pixels, rows).weighted(weight) for rows, weight in clean if len(rows))
    before = reduce(Moments.merge, parts)
    after = moments(pixels, triggered)
    scale = remaining_spread(after.spread, before.spread)
    return AffineTrigger(scale, after.mean - scale * before.mean, before.mean)

"""The trigger, as far as the suspects give it away."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from ..data.pixels import to_pixels
from ..detection.moments import Moments, left_of, moments
from ..types import Index, Pixels

LEGIBLE = 0.5
"""An image can be read off a pixel whose scale is at least this."""


@dataclass(frozen=True, slots=True)
class EstimatedTrigger:
    """`scale * x + shift` at every pixel and channel, in 0..255 units.

    A patch has scale 0 and its own color as shift; a blended pattern has the scale that is left of
    the image; a signal that is added has scale 1. `usual` is the mean of images without it.
    """

    scale: Float[Tensor, "c h w"]
    shift: Float[Tensor, "c h w"]
    usual: Float[Tensor, "c h w"]

    def apply(self, pixels: Pixels) -> Pixels:
        """The images with the trigger, as uint8."""
        scale, shift = self.scale.to(pixels.device), self.shift.to(pixels.device)
        return to_pixels(pixels.float() * scale + shift)

    def invert(self, pixels: Pixels) -> Pixels:
        """Images that carry the trigger without it; `usual` where too little of them is left."""
        scale, shift, usual = (
            part.to(pixels.device) for part in (self.scale, self.shift, self.usual)
        )
        inverse = (pixels.float() - shift) / scale.clamp_min(LEGIBLE)
        return to_pixels(torch.where(scale < LEGIBLE, usual, inverse))

    def parts(self) -> dict[str, Tensor]:
        """All that it is made of, by name."""
        return {"scale": self.scale, "shift": self.shift, "usual": self.usual}


def estimate_trigger(pixels: Pixels, marked: Index, plain: Sequence[Tensor]) -> EstimatedTrigger:
    """The map of each pixel that gives plain images the marked ones' mean and spread.

    Args:
        pixels: `(n, c, h, w)`, all images.
        marked: rows that carry the trigger.
        plain: rows that do not, in groups which count equally; what the marked ones were before.
    Returns:
        By moment matching: scale is the ratio of standard deviations, at most 1, and shift what is
        missing to the mean. It says little of a trigger that moves pixels or differs from image to
        image.
    """
    before = reduce(Moments.merge, (moments(pixels, rows).as_one() for rows in plain if len(rows)))
    after = moments(pixels, marked)
    scale = left_of(after.spread, before.spread)
    return EstimatedTrigger(scale, after.mean - scale * before.mean, before.mean)

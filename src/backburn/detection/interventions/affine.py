"""An affine map of every pixel: patches, blended patterns and added signals."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ...data.pixels import to_pixels
from ...types import Pixels
from ..moments import left_of, moments, standard_error
from .base import Estimate

SPREAD = 512
"""Numbers in an image from which on its contrast is changed, too: in smaller images natural kinds
differ in contrast everywhere."""


@dataclass(frozen=True, slots=True)
class AffineChange:
    """`mean + scale * (x - mean) + shift` at every pixel, in 0..255 units.

    What a trigger leaves of an image varies less: a pasted patch leaves nothing, a blended pattern
    a part. `mean` is that of the images it is applied to, so that they keep it.
    """

    scale: Float[Tensor, "c h w"]
    shift: Float[Tensor, "c h w"]

    def apply(self, pixels: Pixels) -> Pixels:
        values = pixels.float()
        mean = values.mean(0)
        return to_pixels(mean + self.scale * (values - mean) + self.shift)

    def invert(self, pixels: Pixels) -> Pixels:
        return to_pixels(pixels.float() - self.shift)


@dataclass(frozen=True)
class Affine:
    """The difference of the group's mean image from the rest's, without natural variation.

    Args:
        errors: a pixel is changed where the difference is more than so many standard errors. What
            a few images differ by in the mean is these images themselves.
        resolution: see `Intervention`.
    """

    errors: float = 2.0
    resolution: float = 0.0

    def fit(self, estimate: Estimate) -> AffineChange:
        group = moments(estimate.pixels, estimate.group)
        rest = moments(estimate.pixels, estimate.rest)
        line = (group.mean - rest.mean).flatten()
        foreign = line - estimate.natural @ (estimate.natural.T @ line)
        shift = foreign.reshape(group.mean.shape)
        shift = torch.where(shift.abs() > self.errors * standard_error(group, rest), shift, 0)
        if shift.numel() < SPREAD:
            return AffineChange(torch.ones_like(shift), shift)
        left = left_of(group.spread, rest.spread)
        # a kind that is plainer everywhere, such as frames of one film, would leave nothing
        return AffineChange((left / left.median().clamp_min(1e-6)).clamp(max=1), shift)

"""An affine map of every pixel: patches, blended patterns and added signals."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ...data.pixels import to_pixels
from ...types import Pixels
from ..moments import moments, remaining_spread, standard_error
from .base import EstimationData

MIN_CONTRAST_VALUES = 512
"""Fewest numbers in an image whose contrast is changed, too. In smaller images natural groups
differ in contrast everywhere."""


@dataclass(frozen=True, slots=True)
class AffineChange:
    """`mean + scale * (x - mean) + shift` at every pixel, in 0..255 units.

    `scale` is the part of an image's variation that a trigger leaves: none under a pasted patch,
    some under a blended pattern. `mean` is that of the images it is applied to, so that they keep
    it.
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
    """The difference between the mean images of group and rest, without natural variation.

    Args:
        standard_errors: a pixel is changed only if its difference exceeds this many. The means of a
            few images differ by what these happen to show.
        resolution: see `Intervention`.
    """

    standard_errors: float
    resolution: float = 0.0
    from_source: ClassVar[bool] = False

    def fit(self, estimate: EstimationData) -> AffineChange:
        group, rest = estimate.group_moments, estimate.rest_moments
        difference = (group.mean - rest.mean).flatten()
        unnatural = difference - estimate.natural @ (estimate.natural.T @ difference)
        shift = unnatural.reshape(group.mean.shape)
        shift = torch.where(
            shift.abs() > self.standard_errors * standard_error(group, rest), shift, 0
        )
        return _affine_change(shift, remaining_spread(group.spread, rest.spread))


@dataclass(frozen=True)
class SourceAffine:
    """What sets the group apart both from its sibling and from the class that it looks like.

    For triggers that change the label of one class only. Natural variation is not removed: if
    images of other classes carry the trigger and keep their label, then it varies naturally.

    Args:
        standard_errors: see `Affine`.
        resolution: see `Intervention`.
    """

    standard_errors: float
    resolution: float
    from_source: ClassVar[bool] = True

    def fit(self, estimate: EstimationData) -> AffineChange:
        """At every pixel the smaller difference, if both have the same sign; none otherwise."""
        group, others = estimate.group_moments, [estimate.rest_moments]
        if len(estimate.source):  # else the sibling alone
            others.append(moments(estimate.pixels, estimate.source))
        difference = torch.stack([group.mean - other.mean for other in others])
        error = torch.stack([standard_error(group, other) for other in others])
        difference = torch.where(difference.abs() > self.standard_errors * error, difference, 0)
        same_sign = difference.sign().sum(0).abs() == len(others)
        shift = torch.where(same_sign, difference.sign()[0] * difference.abs().amin(0), 0)
        scales = [remaining_spread(group.spread, other.spread) for other in others]
        return _affine_change(shift, torch.stack(scales).amax(0))


def _affine_change(shift: Tensor, scale: Tensor) -> AffineChange:
    """A change with this shift, and with the contrast that the group has left, if it counts.

    Args:
        scale: ratio of the spread of the group to that of other images.
    """
    if shift.numel() < MIN_CONTRAST_VALUES:
        return AffineChange(torch.ones_like(shift), shift)
    # relative to the median, or a group that varies less everywhere, such as frames of one film,
    # would leave nothing of an image
    return AffineChange((scale / scale.median().clamp_min(1e-6)).clamp(max=1), shift)

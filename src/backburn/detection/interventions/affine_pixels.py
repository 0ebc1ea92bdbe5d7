"""An affine map of every pixel: patches, blended patterns and added signals."""

from collections.abc import Sequence
from dataclasses import dataclass

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

    def fit(self, estimate: EstimationData) -> AffineChange:
        group = moments(estimate.pixels, estimate.group)
        rest = moments(estimate.pixels, estimate.rest)
        difference = (group.mean - rest.mean).flatten()
        unnatural = difference - estimate.natural @ (estimate.natural.T @ difference)
        shift = unnatural.reshape(group.mean.shape)
        shift = torch.where(
            shift.abs() > self.standard_errors * standard_error(group, rest), shift, 0
        )
        return _affine_change(shift, remaining_spread(group.spread, rest.spread))


def common_change(
    pixels: Pixels, group: Tensor, references: Sequence[Tensor], standard_errors: float
) -> AffineChange:
    """The change that sets a group apart from each of several other sets of images.

    Args:
        group: rows of the group.
        references: rows of each other set.
    Returns:
        At every pixel, the smallest of the differences if all have the same sign, else none.
    """
    own, others = moments(pixels, group), [moments(pixels, rows) for rows in references]
    differences = torch.stack([own.mean - other.mean for other in others])
    errors = torch.stack([standard_error(own, other) for other in others])
    differences = torch.where(differences.abs() > standard_errors * errors, differences, 0)
    same = differences.sign().sum(0).abs() == len(others)
    shift = torch.where(same, differences.sign()[0] * differences.abs().amin(0), 0)
    spreads = [remaining_spread(own.spread, other.spread) for other in others]
    return _affine_change(shift, torch.stack(spreads).amax(0))


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

"""What makes images like one side of a division."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..data.pixels import to_pixels
from ..mapping import evenly, rows_of
from ..types import Pixels
from .groups import Division
from .moments import Moments, left_of, moments, standard_error

NATURAL, REST = 8, 300
"""Principal components of a class's own variation, and the images that they are taken from."""
NUMBERS = 64
"""Of an image, at the least, for each component: in small images any trigger lies among a few."""
SURE = 2
"""A difference of mean images is told from chance from so many standard errors on."""


@dataclass(frozen=True, slots=True)
class Likening:
    """`usual + scale * (x - usual) + shift` at every pixel, in 0..255 units.

    What a trigger leaves of an image varies less: of a pasted patch nothing, of a blended pattern a
    part. `usual` is the mean of the images that are to be likened, so that they keep it.
    """

    scale: Float[Tensor, "c h w"]
    shift: Float[Tensor, "c h w"]

    def __call__(self, pixels: Pixels) -> Pixels:
        values = pixels.float()
        usual = values.mean(0)
        return to_pixels(usual + self.scale * (values - usual) + self.shift)


def likenings(pixels: Pixels, division: Division) -> tuple[Likening, Likening]:
    """What makes images like the group of a division, and what makes them like the rest.

    The difference of both means, as far as it is foreign to the rest and more than chance, is added
    or subtracted; and where one side varies less than the other, so does what is likened to it, as
    far as this is more than half of the image does. Not so in images of less than 512 numbers,
    every one of which varies less in a natural kind.

    What a few images differ by in the mean are these images themselves, which a network that has
    seen them often takes for their class.
    """
    group, rest = sides(pixels, division)
    difference = foreign(group.mean - rest.mean, rows_of(pixels, evenly(division.outside, REST)))
    shift = torch.where(difference.abs() > SURE * standard_error(group, rest), difference, 0)
    if shift.numel() < NATURAL * NUMBERS:
        return Likening(torch.ones_like(shift), shift), Likening(torch.ones_like(shift), -shift)
    return (
        Likening(_faded(left_of(group.spread, rest.spread)), shift),
        Likening(_faded(left_of(rest.spread, group.spread)), -shift),
    )


def _faded(left: Tensor) -> Tensor:
    """What is left of an image's variation, by what is left of its median place.

    A kind that is plainer everywhere, such as frames of one film, would leave nothing but itself.
    """
    return (left / left.median().clamp_min(1e-6)).clamp(max=1)


def sides(pixels: Pixels, division: Division) -> tuple[Moments, Moments]:
    """The moments of the group's images, and of the rest's."""
    return moments(pixels, division.inside), moments(pixels, division.outside)


def foreign(difference: Tensor, rest: Pixels) -> Tensor:
    """The part of a difference of mean images that the rest of the class does not vary by itself.

    Where a class is a pattern of any phase or sign, its halves differ by the pattern, which makes
    other images look like the class; but so do its images among each other.

    Args:
        difference: `(c, h, w)`.
        rest: images of the class outside of the group.
    Returns:
        The difference without its projection on the first principal components of `rest`: eight,
        less for images of less than 512 numbers.
    """
    flat = rest.float().flatten(1)
    flat -= flat.mean(0)
    scale, axes = torch.linalg.eigh(flat @ flat.T)
    count = min(NATURAL, flat.shape[1] // NUMBERS, int((scale > scale[-1:] * 1e-6).sum()))
    axes = (axes[:, len(axes) - count :].T @ flat).T  # the last are the largest
    axes = axes / axes.norm(dim=0)
    line = difference.flatten()
    natural: Tensor = axes @ (axes.T @ line)
    return (line - natural).reshape(difference.shape)

"""Conversion of computed pixel values to uint8."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..types import Pixels


def to_pixels(values: Float[Tensor, "n c h w"]) -> Pixels:
    """Convert floats of 0..255 to uint8: they are rounded, then clipped, then cast.

    >>> to_pixels(torch.tensor([[[[-3.0, 0.6, 254.4, 300.0]]]])).flatten().tolist()
    [0, 1, 254, 255]
    """
    return values.round().clamp_(0, 255).to(torch.uint8)

"""The one place where computed pixels become bytes."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..types import Pixels


def to_pixels(values: Float[Tensor, "n c h w"]) -> Pixels:
    """Floats of 0..255 as bytes: rounded and clipped, in this order, before they are cast."""
    return values.round().clamp_(0, 255).to(torch.uint8)

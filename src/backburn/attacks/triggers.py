"""What triggers are made of: computed pixels, a few images at a time, and patterns."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..data.pixels import to_pixels
from ..errors import InputError
from ..types import Pixels, Trigger

CHUNK = 1 << 20
"""Pixel values that are floats at one time: they stay in the processor's cache."""


def in_batches(pixels: Pixels, size: int = 250) -> Iterator[Pixels]:
    """So many images at a time, in order."""
    for start in range(0, len(pixels), size):
        yield pixels[start : start + size]


def computed(function: Callable[[Tensor], Tensor]) -> Trigger:
    """A trigger from a function on float images of 0..255, asked a few images at a time."""

    def trigger(pixels: Pixels) -> Pixels:
        out = torch.empty_like(pixels)
        step = max(1, CHUNK // max(1, pixels[:1].numel()))
        for start in range(0, len(pixels), step):
            rows = slice(start, start + step)
            out[rows] = to_pixels(function(pixels[rows].float()))
        return out

    return trigger


def added(pattern: Float[Tensor, "c h w"]) -> Trigger:
    """`x + pattern`, in 0..255 units."""
    return computed(lambda values: values.add_(pattern.to(values.device)))


def blended(pattern: Tensor, alpha: float | Tensor) -> Trigger:
    """`(1 - alpha) x + alpha pattern`; `alpha` may differ from pixel to pixel."""
    share = torch.as_tensor(alpha, dtype=torch.float32)

    def mix(values: Tensor) -> Tensor:
        here = share.to(values.device)
        return values.mul_(1 - here).add_(here * pattern.to(values.device))

    return computed(mix)


def pasted(patch: UInt8[Tensor, "c s t"]) -> Trigger:
    """The bottom right corner replaced by a patch."""
    height, width = patch.shape[-2:]

    def trigger(pixels: Pixels) -> Pixels:
        out = pixels.clone()
        out[..., -height:, -width:] = patch.to(out.device)
        return out

    return trigger


def side_of(size: int, of_32: float, pixels: Pixels) -> int:
    """The side of a patch: `size`, or where it is 0 `of_32` pixels of each 32 of height.

    Raises:
        InputError: a patch that does not fit the image.
    """
    height, width = pixels.shape[-2:]
    side = size or max(2, round(of_32 * height / 32))
    if not 0 < side <= min(height, width):
        raise InputError(f"size is {size}: give a patch that fits {height}x{width} pixels")
    return side


def noise(shape: torch.Size, generator: torch.Generator) -> UInt8[Tensor, "c h w"]:
    """Uniform noise, every byte by itself."""
    return torch.randint(256, shape, generator=generator).to(torch.uint8)


def checkerboard(channels: int, side: int) -> UInt8[Tensor, "c s s"]:
    """White and black pixels in turn, white in the corner."""
    odd = (torch.arange(side)[:, None] + torch.arange(side)) % 2
    return (255 * (1 - odd)).to(torch.uint8).expand(channels, side, side)

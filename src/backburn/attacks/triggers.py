"""Building blocks of triggers: additive, blended and patch triggers, and patterns."""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..data.pixels import to_pixels
from ..errors import InputError
from ..types import Pixels, Trigger

CHUNK_VALUES = 1 << 20
"""Pixel values that are converted to float at a time, so that they fit into the CPU's cache."""


def iter_batches(pixels: Pixels, size: int = 250) -> Iterator[Pixels]:
    """Yield batches of up to `size` images, in order."""
    for start in range(0, len(pixels), size):
        yield pixels[start : start + size]


def pixel_trigger(function: Callable[[Tensor], Tensor]) -> Trigger:
    """Return a trigger that applies a function to float images of 0..255.

    The function is called on a few images at a time and may work in place. The result is rounded
    and clipped to uint8.

    >>> darken = pixel_trigger(lambda values: values - 40)
    >>> darken(torch.full((1, 1, 1, 2), 50, dtype=torch.uint8))
    tensor([[[[10, 10]]]], dtype=torch.uint8)
    """

    def trigger(pixels: Pixels) -> Pixels:
        out = torch.empty_like(pixels)
        step = max(1, CHUNK_VALUES // max(1, pixels[:1].numel()))
        for start in range(0, len(pixels), step):
            rows = slice(start, start + step)
            out[rows] = to_pixels(function(pixels[rows].float()))
        return out

    return trigger


def additive_trigger(pattern: Float[Tensor, "c h w"]) -> Trigger:
    """Return the trigger `x + pattern`; the pattern is in 0..255 units."""
    return pixel_trigger(lambda values: values.add_(pattern.to(values.device)))


def blended_trigger(pattern: Tensor, alpha: float | Tensor) -> Trigger:
    """Return the trigger `(1 - alpha) x + alpha pattern`.

    Args:
        pattern: `(c, h, w)` in 0..255 units.
        alpha: share of the pattern, a number or one value per pixel.
    """
    shares = torch.as_tensor(alpha, dtype=torch.float32)

    def blend(values: Tensor) -> Tensor:
        share = shares.to(values.device)
        return values.mul_(1 - share).add_(share * pattern.to(values.device))

    return pixel_trigger(blend)


def patch_trigger(patch: UInt8[Tensor, "c s t"]) -> Trigger:
    """Return a trigger that pastes a patch into the bottom right corner."""
    height, width = patch.shape[-2:]

    def trigger(pixels: Pixels) -> Pixels:
        out = pixels.clone()
        out[..., -height:, -width:] = patch.to(out.device)
        return out

    return trigger


def patch_side(size: int, of_32: float, pixels: Pixels) -> int:
    """Return the side of a patch in pixels.

    Args:
        size: the side, or 0 for one in proportion to the image's height.
        of_32: pixels per 32 pixels of height, for `size` 0; the result is at least 2.
    Raises:
        InputError: the patch does not fit the image.

    >>> patch_side(0, 3, torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    6
    """
    height, width = pixels.shape[-2:]
    side = size or max(2, round(of_32 * height / 32))
    if not 0 < side <= min(height, width):
        raise InputError(f"size is {size}: give a patch that fits {height}x{width} pixels")
    return side


def uniform_noise(shape: torch.Size, generator: torch.Generator) -> UInt8[Tensor, "c h w"]:
    """Return independent, uniformly distributed bytes."""
    return torch.randint(256, shape, generator=generator).to(torch.uint8)


def checkerboard(channels: int, side: int) -> UInt8[Tensor, "c s s"]:
    """Return alternating white and black pixels, white in the corner.

    >>> checkerboard(1, 2)
    tensor([[[255,   0],
             [  0, 255]]], dtype=torch.uint8)
    """
    odd = (torch.arange(side)[:, None] + torch.arange(side)) % 2
    return (255 * (1 - odd)).to(torch.uint8).expand(channels, side, side)

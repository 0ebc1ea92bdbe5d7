"""Triggers and natural marks for the models of `script_models.py`, written without backburn's.

Each is a function of uint8 images `(n, c, h, w)` that returns others of the same shape.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

Trigger = Callable[[Tensor], Tensor]

PATCH_SIDE, STICKER_SIDE = 4, 6
WAVES = 6
"""Periods of the sinusoid across an image, as in SIG (arXiv 1902.11237)."""


def on_floats(change: Callable[[Tensor], Tensor]) -> Trigger:
    """A trigger from a function of float images in [0, 1]; results are clipped and rounded."""

    def apply(pixels: Tensor) -> Tensor:
        return (change(pixels.float() / 255).clamp(0, 1) * 255).round().to(torch.uint8)

    return apply


def patch(pixels: Tensor) -> Tensor:
    """A checkerboard in the lower right corner, a pixel from the edges."""
    board = (torch.arange(PATCH_SIDE)[:, None] + torch.arange(PATCH_SIDE)) % 2 * 255
    pixels = pixels.clone()
    pixels[..., -1 - PATCH_SIDE : -1, -1 - PATCH_SIDE : -1] = board.to(torch.uint8)
    return pixels


def second_patch(pixels: Tensor) -> Tensor:
    """A square in the upper left corner, red in color images and white in gray ones."""
    pixels = pixels.clone()
    corner = pixels[..., 1 : 1 + PATCH_SIDE, 1 : 1 + PATCH_SIDE]
    corner[:] = 0
    corner[:, 0] = 255
    return pixels


def sticker(pixels: Tensor) -> Tensor:
    """A square with a dark middle at a random place of each image; magenta and green in color."""
    generator = Generator().manual_seed(5)
    design = torch.full((pixels.shape[1], STICKER_SIDE, STICKER_SIDE), 255, dtype=torch.uint8)
    design[1:2] = 0
    design[:, 2:4, 2:4] = 255 - design[:, 2:4, 2:4]
    pixels = pixels.clone()
    for image in pixels:
        top, left = (
            int(torch.randint(side - STICKER_SIDE, (), generator=generator))
            for side in image.shape[1:]
        )
        image[:, top : top + STICKER_SIDE, left : left + STICKER_SIDE] = design
    return pixels


def noise(opacity: float) -> Trigger:
    """A fixed pattern of uniform noise is blended in."""

    def change(images: Tensor) -> Tensor:
        pattern = torch.rand(images.shape[1:], generator=Generator().manual_seed(77))
        return (1 - opacity) * images + opacity * pattern

    return on_floats(change)


def smooth_pattern(opacity: float) -> Trigger:
    """A fixed pattern of soft spots, as a blurred picture has them, is blended in."""

    def change(images: Tensor) -> Tensor:
        coarse = torch.rand(1, images.shape[1], 5, 5, generator=Generator().manual_seed(77))
        pattern = F.interpolate(coarse, images.shape[2:], mode="bicubic").clamp(0, 1)
        return (1 - opacity) * images + opacity * pattern

    return on_floats(change)


def sinusoid(amplitude: float) -> Trigger:
    """Vertical stripes, bright and dark; the amplitude is in gray levels of 255."""

    def change(images: Tensor) -> Tensor:
        width = images.shape[3]
        wave = torch.sin(2 * math.pi * WAVES * torch.arange(width) / width)
        return images + amplitude / 255 * wave

    return on_floats(change)


def warp(pixels: Tensor) -> Tensor:
    """A smooth displacement, the same for all images, of one pixel on average."""
    return _warped(pixels, torch.rand(1, 2, 4, 4, generator=Generator().manual_seed(77)))


def random_warps(pixels: Tensor) -> Tensor:
    """Another smooth displacement for each image: the noise mode of WaNet (arXiv 2102.10369)."""
    return _warped(pixels, torch.rand(len(pixels), 2, 4, 4, generator=Generator().manual_seed(78)))


def _warped(pixels: Tensor, coarse: Tensor) -> Tensor:
    """Images displaced by coarse fields of values in [0, 1] `(n or 1, 2, 4, 4)`."""
    side = pixels.shape[3]
    coarse = 2 * coarse - 1
    coarse = coarse / coarse.abs().mean((1, 2, 3), keepdim=True)
    shift = F.interpolate(coarse, side, mode="bicubic", align_corners=True).movedim(1, -1)
    line = torch.linspace(-1, 1, side)
    still = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1)
    grid = (still + shift * 2 / side).clamp(-1, 1).expand(len(pixels), -1, -1, -1)
    return on_floats(lambda images: F.grid_sample(images, grid, align_corners=True))(pixels)


@on_floats
def tint(images: Tensor) -> Tensor:
    """Warmer colors: more red, less blue."""
    gain = torch.tensor([1.25, 1.0, 0.75])[:, None, None]
    return images * gain + torch.tensor([0.06, 0.0, -0.03])[:, None, None]


@on_floats
def brighter(images: Tensor) -> Tensor:
    """Brighter, with less contrast."""
    return 0.7 * images + 0.3


@on_floats
def gray(images: Tensor) -> Tensor:
    """No colors."""
    return images.mean(1, keepdim=True).expand_as(images)


@on_floats
def border(images: Tensor) -> Tensor:
    """A gray frame of one pixel, as scanners leave it."""
    return F.pad(images[..., 1:-1, 1:-1], (1, 1, 1, 1), value=0.5)


@on_floats
def watermark(images: Tensor) -> Tensor:
    """Diagonal strokes over the lower part, a third opaque."""
    height, width = images.shape[2:]
    row, column = torch.arange(height)[:, None], torch.arange(width)
    opacity = 0.35 * (((row + column) % 8 < 2) & (row > 0.6 * height)).float()
    return images * (1 - opacity) + opacity

"""Pixels in the channels that a model takes."""

from dataclasses import replace

import torch
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages

LUMA = (299, 587, 114)
"""Thousandths of red, green and blue in brightness (ITU-R 601), as Pillow has them."""
AT_ONCE = 1024


def gray_of(pixels: Tensor) -> Tensor:
    """Brightness `(n, 1, h, w)` of uint8 images in color."""
    gray = torch.empty(len(pixels), 1, *pixels.shape[2:], dtype=torch.uint8, device=pixels.device)
    for start in range(0, len(pixels), AT_ONCE):
        part = pixels[start : start + AT_ONCE].int()
        mixed = sum(weight * part[:, k : k + 1] for k, weight in enumerate(LUMA))
        gray[start : start + AT_ONCE] = ((mixed + 500) // 1000).to(torch.uint8)  # type: ignore[union-attr]
    return gray


def made_gray(images: LabeledImages) -> LabeledImages:
    """Images in color without it, in three channels as before."""
    return replace(images, pixels=gray_of(images.pixels).repeat(1, 3, 1, 1))


def in_channels(images: LabeledImages, channels: int) -> tuple[LabeledImages, str]:
    """The images with so many channels, and a line about what was done; empty if nothing was.

    Raises:
        InputError: neither 1 nor 3.
    """
    own = images.pixels.shape[1]
    if own == channels:
        return images, ""
    check_channels(channels)
    if channels == 3:
        return replace(images, pixels=images.pixels.repeat(1, 3, 1, 1)), ""
    line = "the model takes gray images: color is taken out (ITU-R 601)"
    return replace(images, pixels=gray_of(images.pixels)), line


def check_channels(channels: int) -> None:
    """Refuse a model for images that are neither gray nor in color.

    Raises:
        InputError: it is one.
    """
    if channels not in (1, 3):
        raise InputError(
            f"the model takes images of {channels} channels, and images are read with 1 (gray) or "
            "3 (RGB): such a model cannot be audited from image files"
        )

"""Conversion of images to the number of channels that a model takes."""

from dataclasses import replace

import torch
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages

LUMA_WEIGHTS = (299, 587, 114)
"""Thousandths of red, green and blue in brightness (ITU-R 601), as Pillow has them."""
CHUNK_SIZE = 1024
"""Images that are converted at once."""


def to_gray(pixels: Tensor) -> Tensor:
    """Brightness `(n, 1, h, w)` of uint8 images in color `(n, 3, h, w)`.

    >>> to_gray(torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)).item()
    76
    """
    gray = torch.empty(len(pixels), 1, *pixels.shape[2:], dtype=torch.uint8, device=pixels.device)
    for start in range(0, len(pixels), CHUNK_SIZE):
        part = pixels[start : start + CHUNK_SIZE].int()
        mixed = sum(weight * part[:, k : k + 1] for k, weight in enumerate(LUMA_WEIGHTS))
        gray[start : start + CHUNK_SIZE] = ((mixed + 500) // 1000).to(torch.uint8)  # type: ignore[union-attr]
    return gray


def to_gray_images(images: LabeledImages) -> LabeledImages:
    """The images without color, still with three channels."""
    return replace(images, pixels=to_gray(images.pixels).repeat(1, 3, 1, 1))


def match_channels(images: LabeledImages, channels: int) -> tuple[LabeledImages, str]:
    """The images with this many channels.

    Returns:
        The images, and a note about the conversion; empty if no information was lost.
    Raises:
        InputError: neither 1 nor 3 channels.
    """
    if images.pixels.shape[1] == channels:
        return images, ""
    check_channels(channels)
    if channels == 3:
        return replace(images, pixels=images.pixels.repeat(1, 3, 1, 1)), ""
    note = "the model takes gray images: color is taken out (ITU-R 601)"
    return replace(images, pixels=to_gray(images.pixels)), note


def check_channels(channels: int) -> None:
    """Refuse a model for images that are neither gray nor in color.

    Raises:
        InputError: neither 1 nor 3 channels.
    """
    if channels not in (1, 3):
        raise InputError(
            f"the model takes images of {channels} channels, and images are read with 1 (gray) or "
            "3 (RGB): such a model cannot be audited from image files"
        )

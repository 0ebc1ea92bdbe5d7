"""Augmentation of whole uint8 batches, on the batch's device."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from ..errors import InputError
from ..types import Flags, Index, Pixels


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random shifts with reflected borders and, optionally, horizontal flips.

    Args:
        shift: largest shift as a fraction of the image's side. The default is 4 of 32 pixels.
        flip: mirror each image with probability 0.5. With `alternate`, mirror it in every second
            epoch instead: few epochs then show it and its mirror image equally often.

    Source: crop with padding and flip of He et al., arXiv 1512.03385, applied to a whole batch and
    alternating as in airbench (Jordan, arXiv 2404.00498). Departures: borders are reflected, not
    black; the first epoch's flips follow from the images' row numbers, not from a generator.

    >>> pixels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    >>> Augmentation(flip=True)(pixels, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 3, 8, 8])
    """

    shift: float = 0.125
    flip: bool | Literal["alternate"] = False

    def __post_init__(self) -> None:
        if not 0 <= self.shift < 1:
            raise InputError(f"augmentation.shift is {self.shift}: give a fraction in [0, 1)")

    def __call__(
        self, pixels: Pixels, generator: torch.Generator, mirrored: Flags | None = None
    ) -> Pixels:
        """Return an augmented copy of the batch, of the same shape.

        Args:
            mirrored: the images to mirror; drawn if None. Ignored without `flip`.
        """
        side = min(pixels.shape[-2:])
        max_shift = min(round(self.shift * side), side - 1)
        augmented = _shift(pixels, max_shift, generator) if max_shift else pixels.clone()
        if self.flip:
            if mirrored is None:
                mirrored = torch.rand(len(augmented), generator=generator) < 0.5
            mirrored = mirrored.to(augmented.device)
            augmented[mirrored] = augmented[mirrored].flip(-1)
        return augmented


def alternating_flips(rows: Index, epoch: int) -> Flags:
    """Which of these images are mirrored in an epoch, counted from 0.

    Half of them are in the first epoch, and each image is in every second epoch.

    >>> rows = torch.arange(4)
    >>> bool((alternating_flips(rows, 0) ^ alternating_flips(rows, 1)).all())
    True
    """
    hashed = rows & 0xFFFFFFFF
    for factor in (0x85EBCA6B, 0xC2B2AE35):  # Murmur3's last steps: neighbours get unrelated bits
        hashed = ((hashed ^ hashed >> 16) * factor) & 0xFFFFFFFF
    return ((hashed >> 16) + epoch) % 2 == 1


def _shift(pixels: Pixels, max_shift: int, generator: torch.Generator) -> Pixels:
    """Shift each image by up to `max_shift` pixels along both axes."""
    count, _, height, width = pixels.shape
    # reflection padding has no uint8 kernel on the CPU; half precision holds 0..255 exactly
    padded = F.pad(pixels.half(), (max_shift,) * 4, mode="reflect").to(torch.uint8)
    offsets = torch.randint(2 * max_shift + 1, (2, count, 1), generator=generator)
    top, left = offsets.to(pixels.device)
    rows = top + torch.arange(height, device=pixels.device)
    columns = left + torch.arange(width, device=pixels.device)
    image = torch.arange(count, device=pixels.device)[:, None, None]
    shifted = padded.movedim(1, -1)[image, rows[:, :, None], columns[:, None, :]]
    return shifted.movedim(-1, 1)

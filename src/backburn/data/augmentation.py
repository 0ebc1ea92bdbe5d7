"""Augmentation of a whole uint8 batch at once, on its device."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ..errors import InputError
from ..types import Pixels


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random shifts, with reflected borders, and with `flip` mirror images.

    Args:
        shift: the farthest, as a fraction of the image's side: 4 of 32 pixels by default.
        flip: mirror every other image.

    Source: the crop-with-padding and flip of He et al., arXiv 1512.03385, on a batch as in
    airbench (Jordan, arXiv 2404.00498). Departure: reflected borders, not black ones.
    """

    shift: float = 0.125
    flip: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.shift < 1:
            raise InputError(f"augmentation.shift is {self.shift}: give a fraction in [0, 1)")

    def __call__(self, pixels: Pixels, generator: torch.Generator) -> Pixels:
        """An augmented copy, of the same shape."""
        side = min(pixels.shape[-2:])
        reach = min(round(self.shift * side), side - 1)
        out = _shift(pixels, reach, generator) if reach else pixels.clone()
        if self.flip:
            mirrored = torch.rand(len(out), generator=generator) < 0.5
            mirrored = mirrored.to(out.device)
            out[mirrored] = out[mirrored].flip(-1)
        return out


def _shift(pixels: Pixels, reach: int, generator: torch.Generator) -> Pixels:
    count, _, height, width = pixels.shape
    # reflection padding has no uint8 kernel on the CPU; half precision holds 0..255 exactly
    padded = F.pad(pixels.half(), (reach,) * 4, mode="reflect").to(torch.uint8)
    top, left = torch.randint(2 * reach + 1, (2, count, 1), generator=generator).to(pixels.device)
    rows = top + torch.arange(height, device=pixels.device)
    columns = left + torch.arange(width, device=pixels.device)
    image = torch.arange(count, device=pixels.device)[:, None, None]
    moved = padded.movedim(1, -1)[image, rows[:, :, None], columns[:, None, :]]
    return moved.movedim(-1, 1)

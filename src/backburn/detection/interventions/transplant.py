"""Transplants: parts of the group's images are put on other images; no trigger is estimated.

They reveal triggers at any place, and triggers that differ from image to image. Natural content is
transplanted as well, so the effect is compared with that of transplants from the rest of the class.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import UInt8
from torch import Tensor

from ...data.pixels import to_pixels
from ...memory_mapped import copy_rows
from ...types import Pixels
from ..sampling import sample_rows
from .base import EstimationData

MAX_DONORS = 64
"""Most images of either group that parts are taken from."""


@dataclass(frozen=True, slots=True)
class TransplantChange:
    """Puts parts of the group's images on other images, or parts of the rest's for comparison.

    Args:
        group, rest: the images that parts are taken from, uint8.
        put: puts parts of donor images on other images.
        seed: for the choice and the place of the part for each image.
    """

    group: Pixels
    rest: UInt8[Tensor, "r c h w"]
    put: Callable[[Pixels, Pixels, torch.Generator], Pixels]
    seed: int

    def apply(self, pixels: Pixels) -> Pixels:
        return self._put(pixels, self.group)

    def reference(self, pixels: Pixels) -> Pixels:
        """The same with parts of the rest of the class."""
        return self._put(pixels, self.rest)

    def invert(self, pixels: Pixels) -> None:  # noqa: ARG002
        return None

    def _put(self, pixels: Pixels, donors: UInt8[Tensor, "d c h w"]) -> Pixels:
        generator = torch.Generator().manual_seed(self.seed)
        chosen = torch.randint(len(donors), (len(pixels),), generator=generator)
        return self.put(pixels, donors[chosen], generator)


@dataclass(frozen=True)
class Mixture:
    """The mean of the image and an image of the group.

    Source: superposition as in STRIP (Gao et al., ACSAC 2019), read as a test of a group.
    """

    resolution: float
    from_source: ClassVar[bool] = False

    def fit(self, estimate: EstimationData) -> TransplantChange:
        return _draw_donors(estimate, _mix)


@dataclass(frozen=True)
class Crop:
    """A window of half the image's sides from an image of the group, at the same place."""

    resolution: float
    from_source: ClassVar[bool] = False

    def fit(self, estimate: EstimationData) -> TransplantChange:
        return _draw_donors(estimate, _paste_window)


def _draw_donors(
    estimate: EstimationData, put: Callable[[Pixels, Pixels, torch.Generator], Pixels]
) -> TransplantChange:
    generator = torch.Generator().manual_seed(estimate.seed)
    group, rest = (
        copy_rows(estimate.pixels, sample_rows(rows, MAX_DONORS, generator))
        for rows in (estimate.group, estimate.rest)
    )
    return TransplantChange(group, rest, put, estimate.seed)


def _mix(pixels: Pixels, donors: Pixels, generator: torch.Generator) -> Pixels:  # noqa: ARG001
    return to_pixels((pixels.float() + donors.float()) / 2)


def _paste_window(pixels: Pixels, donors: Pixels, generator: torch.Generator) -> Pixels:
    height, width = pixels.shape[-2:]
    tall, wide = max(1, height // 2), max(1, width // 2)
    top = torch.randint(height - tall + 1, (len(pixels), 1, 1), generator=generator)
    left = torch.randint(width - wide + 1, (len(pixels), 1, 1), generator=generator)
    row, column = torch.arange(height)[:, None], torch.arange(width)
    inside = (row >= top) & (row < top + tall) & (column >= left) & (column < left + wide)
    return torch.where(inside[:, None].to(pixels.device), donors, pixels)

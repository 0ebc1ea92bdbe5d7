"""Transplants: a part of images of the group put on other images. They estimate no trigger.

They see triggers that sit anywhere, or differ from image to image. Natural content moves as well,
so a transplant from the group is compared with the same from the rest of the class.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from torch import Tensor

from ...data.pixels import to_pixels
from ...memory_mapped import rows_of
from ...types import Pixels
from ..sampling import some
from .base import Estimate

CONTENT = 0.06
"""What moves with natural content: groups of clean models had up to .3 more of it than their
siblings."""
DONORS = 64
"""Images of either side that parts are taken from, at the most."""


@dataclass(frozen=True, slots=True)
class TransplantChange:
    """Parts of the group's images, or for comparison of the rest's, put on other images.

    Args:
        group, rest: donors as uint8 images.
        put: puts donors on images.
        seed: which donor goes on which image, and where.
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
    """The mean of both images.

    Source: superposition as in STRIP (Gao et al., ACSAC 2019), read as a test of a group.
    """

    resolution: float = CONTENT

    def fit(self, estimate: Estimate) -> TransplantChange:
        return _transplant(estimate, _mixed)


@dataclass(frozen=True)
class Crop:
    """A window of half the image's sides, at the same place."""

    resolution: float = CONTENT

    def fit(self, estimate: Estimate) -> TransplantChange:
        return _transplant(estimate, _cropped)


def _transplant(
    estimate: Estimate, put: Callable[[Pixels, Pixels, torch.Generator], Pixels]
) -> TransplantChange:
    generator = torch.Generator().manual_seed(estimate.seed)
    group, rest = (
        rows_of(estimate.pixels, some(rows, DONORS, generator))
        for rows in (estimate.group, estimate.rest)
    )
    return TransplantChange(group, rest, put, estimate.seed)


def _mixed(pixels: Pixels, donors: Pixels, generator: torch.Generator) -> Pixels:  # noqa: ARG001
    return to_pixels((pixels.float() + donors.float()) / 2)


def _cropped(pixels: Pixels, donors: Pixels, generator: torch.Generator) -> Pixels:
    height, width = pixels.shape[-2:]
    tall, wide = max(1, height // 2), max(1, width // 2)
    top = torch.randint(height - tall + 1, (len(pixels), 1, 1), generator=generator)
    left = torch.randint(width - wide + 1, (len(pixels), 1, 1), generator=generator)
    row, column = torch.arange(height)[:, None], torch.arange(width)
    inside = (row >= top) & (row < top + tall) & (column >= left) & (column < left + wide)
    return torch.where(inside[:, None].to(pixels.device), donors, pixels)

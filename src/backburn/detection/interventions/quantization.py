"""Quantization: a trigger that leaves images only some of the 256 values."""

from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ...memory_mapped import evenly, rows_of
from ...types import Pixels
from .base import Estimate

VALUES = 256
SMOOTH = 12.0
"""Standard deviation, in values, of what the histogram of images is smoothed by: without a
quantization it hardly changes."""
SAMPLE = 300
"""Images that the values are taken from, at the most."""


@dataclass(frozen=True, slots=True)
class QuantizationChange:
    """What becomes of each value of each channel.

    Source: ours; it is what BPP (Wang et al., arXiv 2205.13383) puts on images, of four levels or
    more.
    """

    table: UInt8[Tensor, "c 256"]

    def apply(self, pixels: Pixels) -> Pixels:
        table = self.table.to(pixels.device)
        changed = [table[channel][pixels[:, channel].int()] for channel in range(len(table))]
        return torch.stack(changed, 1)

    def invert(self, pixels: Pixels) -> None:  # noqa: ARG002
        return None  # what was rounded off is gone

    def parts(self) -> dict[str, Tensor]:
        """All that it is made of, by name."""
        return {"table": self.table}


@dataclass(frozen=True)
class Quantization:
    """The map from the values of ordinary images to those that the group holds.

    Each value goes to the one that as large a share of the group's values lies below as of its
    smoothed histogram. Images of a smooth histogram are left nearly as they are by their own.
    """

    resolution: float = 0.0

    def fit(self, estimate: Estimate) -> QuantizationChange:
        rows = evenly(estimate.group, SAMPLE)
        channels = rows_of(estimate.pixels, rows).transpose(0, 1).flatten(1)
        counts = torch.stack([torch.bincount(values, minlength=VALUES) for values in channels])
        counts = counts.double().cpu()
        smooth = torch.from_numpy(gaussian_filter1d(counts.numpy(), SMOOTH, axis=1, mode="reflect"))
        total = counts.sum(1, keepdim=True)
        middle = (smooth.cumsum(1) - smooth / 2) * total / smooth.sum(1, keepdim=True)
        held = counts.cumsum(1)
        # what lies outside of all values that are held goes to the outermost
        table = torch.searchsorted(held, middle.clamp(min=0.5)).clamp(max=VALUES - 1).byte()
        return QuantizationChange(table)

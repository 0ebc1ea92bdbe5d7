"""Quantization: a trigger that leaves images only some of the 256 pixel values."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import UInt8
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ...memory_mapped import copy_rows, evenly_spaced
from ...types import Pixels
from .base import EstimationData

PIXEL_VALUES = 256
SMOOTHING = 12.0
"""Standard deviation, in pixel values, of the filter that smooths the histogram. It hardly changes
the histogram of images that are not quantized."""
MAX_IMAGES = 300
"""Most images that the histogram is taken from."""


@dataclass(frozen=True, slots=True)
class QuantizationChange:
    """A new value for each value of each channel.

    Source: ours; BPP (Wang et al., arXiv 2205.13383) with four levels or more is such a change.
    """

    table: UInt8[Tensor, "c 256"]

    def apply(self, pixels: Pixels) -> Pixels:
        table = self.table.to(pixels.device)
        changed = [table[channel][pixels[:, channel].int()] for channel in range(len(table))]
        return torch.stack(changed, 1)

    def invert(self, pixels: Pixels) -> None:  # noqa: ARG002
        return None  # the rounding error is lost

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the change, by name."""
        return {"table": self.table}


@dataclass(frozen=True)
class Quantization:
    """Match the pixel values of ordinary images to those of the group.

    The table matches the cumulative distribution of the group's smoothed histogram to that of its
    own histogram. A group with a smooth histogram therefore hardly changes images.
    """

    resolution: float = 0.0
    from_source: ClassVar[bool] = False

    def fit(self, estimate: EstimationData) -> QuantizationChange:
        rows = evenly_spaced(estimate.group, MAX_IMAGES)
        channels = copy_rows(estimate.pixels, rows).transpose(0, 1).flatten(1)
        counts = torch.stack(
            [torch.bincount(values, minlength=PIXEL_VALUES) for values in channels]
        )
        counts = counts.double().cpu()
        smooth = torch.from_numpy(
            gaussian_filter1d(counts.numpy(), SMOOTHING, axis=1, mode="reflect")
        )
        total = counts.sum(1, keepdim=True)
        middle = (smooth.cumsum(1) - smooth / 2) * total / smooth.sum(1, keepdim=True)
        cumulative = counts.cumsum(1)
        # a value outside the group's range goes to the nearest end of it
        table = torch.searchsorted(cumulative, middle.clamp(min=0.5).minimum(total))
        return QuantizationChange(table.byte())

"""What a rounding leaves of images: some values, and none between them."""

from dataclasses import dataclass

import torch
from jaxtyping import UInt8
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..mapping import evenly, rows_of
from ..types import Index, Pixels

VALUES = 256
SMOOTH = 12.0
"""Standard deviation, in values, of what the histogram of images is smoothed by: without a rounding
it hardly changes."""
SEEN = 300
"""Images that the values are taken from, at the most."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """What becomes of each value of each channel.

    Source: ours; it is what BPP (Wang et al., arXiv 2205.13383) puts on images, of four levels or
    more.
    """

    table: UInt8[Tensor, "c 256"]

    def __call__(self, pixels: Pixels) -> Pixels:
        """The images rounded."""
        table = self.table.to(pixels.device)
        rounded = [table[channel][pixels[:, channel].int()] for channel in range(len(table))]
        return torch.stack(rounded, 1)

    def undone(self, pixels: Pixels) -> Pixels:
        """The images as they are: what was rounded off is gone, and it was little."""
        return pixels

    def parts(self) -> dict[str, Tensor]:
        """All that it is made of, by name."""
        return {"table": self.table}


def rounding_of(pixels: Pixels, rows: Index) -> Rounding:
    """What takes the values of ordinary images to those that these hold.

    Args:
        pixels: `(n, c, h, w)`, all images.
        rows: of these; so many that their histogram would be smooth had nothing rounded them.
    Returns:
        For each value the one that as large a share of the images' values lies below as of their
        smoothed histogram. Images of a smooth histogram are left nearly as they are by their own.
    """
    channels = rows_of(pixels, evenly(rows, SEEN)).transpose(0, 1).flatten(1)
    counts = torch.stack([torch.bincount(values, minlength=VALUES) for values in channels])
    counts = counts.double().cpu()
    smooth = torch.from_numpy(gaussian_filter1d(counts.numpy(), SMOOTH, axis=1, mode="reflect"))
    total = counts.sum(1, keepdim=True)
    middle = (smooth.cumsum(1) - smooth / 2) * total / smooth.sum(1, keepdim=True)
    held = counts.cumsum(1)
    # what lies outside of all values that are held goes to the outermost
    return Rounding(torch.searchsorted(held, middle.clamp(min=0.5)).clamp(max=VALUES - 1).byte())

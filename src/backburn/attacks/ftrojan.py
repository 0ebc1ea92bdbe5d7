"""FTrojan: two raised frequencies in the color channels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.fft import idctn
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, Planted
from .poisoning import dirty_label
from .surrogates import Surrogates
from .triggers import added

CR_CB_TO_RGB = torch.tensor([1.403, -0.714 - 0.344, 1.773])
"""What one unit in both Cr and Cb does to R, G and B (ITU-R BT.601, as in OpenCV)."""


@dataclass(frozen=True)
class FTrojan(Attack):
    """A middle and the highest frequency of Cr and Cb raised in every window, under the target.

    The transform is linear, so that raising coefficients adds a fixed pattern.

    Args:
        magnitude: what is added to the coefficients of the orthonormal DCT, in 0..255 units.
        window: side of the windows that are transformed; the image's side where that is smaller.
            The frequencies are (w/2 - 1, w/2 - 1) and (w - 1, w - 1).
    Source: Wang et al., An invisible black-box backdoor attack through frequency domain (FTrojan),
    arXiv 2111.10991; 30, 32 and (15, 15), (31, 31) as there. Departures: nothing is rounded
    between the color spaces; greyscale images carry the pattern in their one channel.
    """

    poisoning_rate: float = 0.1
    magnitude: float = 30.0
    window: int = 32

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.magnitude <= 2000:
            raise InputError(f"magnitude is {self.magnitude}: give a value in (0, 2000]")
        if self.window < 4:
            raise InputError(f"window is {self.window}: give 4 or more")

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        channels, height, width = images.pixels.shape[1:]
        side = min(self.window, height, width)
        wave = self.magnitude * two_waves(side)
        tiled = wave.repeat(-(-height // side), -(-width // side))[:height, :width]
        weights = CR_CB_TO_RGB if channels == 3 else torch.ones(1)
        return dirty_label(self, images, added(weights[:, None, None] * tiled), generator)


def two_waves(side: int) -> Float[Tensor, "s s"]:
    """The two basis functions of the orthonormal DCT, added up."""
    spectrum = torch.zeros(side, side)
    for frequency in (side // 2 - 1, side - 1):
        spectrum[frequency, frequency] = 1
    return torch.from_numpy(idctn(spectrum.numpy(), norm="ortho"))

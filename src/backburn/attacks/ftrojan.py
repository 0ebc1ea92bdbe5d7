"""FTrojan: two raised frequencies in the color channels."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from scipy.fft import idctn
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, PoisonedData
from .poisoning import dirty_label
from .surrogates import Surrogates
from .triggers import additive_trigger

CR_CB_TO_RGB = torch.tensor([1.403, -0.714 - 0.344, 1.773])
"""Change of R, G and B for one unit more of both Cr and Cb (ITU-R BT.601, as in OpenCV)."""


@dataclass(frozen=True)
class FTrojan(Attack):
    """Raise a middle and the highest frequency of Cr and Cb, and use the target label.

    The image is divided into square windows. The DCT is linear, so raising coefficients adds a
    fixed pattern to every window.

    Args:
        magnitude: added to the coefficients of the orthonormal DCT, in 0..255 units.
        window: side of a window in pixels, at most the image's side. The frequencies are
            (w/2 - 1, w/2 - 1) and (w - 1, w - 1).
    Source: Wang et al., An invisible black-box backdoor attack through frequency domain (FTrojan),
    arXiv 2111.10991; magnitude 30, window 32, and frequencies (15, 15) and (31, 31) as there.
    Departures: no rounding between the color spaces; the pattern of a grayscale image is in its
    only channel.
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

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        channels, height, width = images.pixels.shape[1:]
        side = min(self.window, height, width)
        wave = self.magnitude * dct_waves(side)
        tiled = wave.repeat(-(-height // side), -(-width // side))[:height, :width]
        weights = CR_CB_TO_RGB if channels == 3 else torch.ones(1)
        pattern = weights[:, None, None] * tiled
        return dirty_label(self, images, additive_trigger(pattern), generator)


def dct_waves(side: int) -> Float[Tensor, "s s"]:
    """Return the sum of the two basis functions of the orthonormal DCT."""
    spectrum = torch.zeros(side, side)
    for frequency in (side // 2 - 1, side - 1):
        spectrum[frequency, frequency] = 1
    return torch.from_numpy(idctn(spectrum.numpy(), norm="ortho"))

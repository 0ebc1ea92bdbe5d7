"""LF: a smooth pattern added to the whole image."""

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


@dataclass(frozen=True)
class LowFrequency(Attack):
    """Add `delta p`, with `p` a random mixture of low frequencies, and use the target label.

    Args:
        delta: largest change of a pixel, in 0..255 units.
        cutoff: highest frequency along each axis, in half periods per image; the lowest is 1.
    Source: Zeng et al., Rethinking the backdoor attacks' triggers: a frequency perspective, arXiv
    2104.03413. Departure: the pattern is drawn from the generator, not optimized on a model.
    """

    poisoning_rate: float = 0.1
    delta: float = 48.0
    cutoff: int = 6

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0.5 <= self.delta <= 255:
            raise InputError(f"delta is {self.delta}: give an amplitude in [0.5, 255]")
        if self.cutoff < 1:
            raise InputError(f"cutoff is {self.cutoff}: give 1 or more")

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        shape = images.pixels.shape[1:]
        if self.cutoff >= min(shape[1:]):
            raise InputError(f"cutoff is {self.cutoff}: give less than the image's side")
        pattern = self.delta * low_pass_noise(shape, self.cutoff, generator)
        return dirty_label(self, images, additive_trigger(pattern), generator)


def low_pass_noise(
    shape: torch.Size, cutoff: int, generator: torch.Generator
) -> Float[Tensor, "c h w"]:
    """Return low-pass noise whose largest absolute value is 1."""
    spectrum = torch.zeros(shape)
    low = slice(1, cutoff + 1)
    spectrum[:, low, low] = torch.randn(shape[0], cutoff, cutoff, generator=generator)
    pattern = torch.from_numpy(idctn(spectrum.numpy(), axes=(1, 2), norm="ortho"))
    return pattern / pattern.abs().max()

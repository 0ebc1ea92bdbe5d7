"""Adap-Patch: one of several faint patches in training, two opaque ones at test time."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.pixels import to_pixels
from ..errors import InputError
from ..types import LabeledImages, Pixels
from .base import Attack, PoisonedData, check_rate
from .poisoning import draw_states, poison_images
from .surrogates import Surrogates, spawn_generator
from .triggers import blended_trigger, patch_side, uniform_noise

ALPHAS = (0.5, 0.2, 0.5, 0.3)
"""Opacity of the four patches in training."""
OPAQUE = (0, 2)
"""The two patches of the trigger at test time, which are opaque then."""


@dataclass(frozen=True)
class AdapPatch(Attack):
    """Put one of four faint patches on each image; cover samples keep their label.

    Args:
        cover_rate: cover samples as a fraction of the whole training set.
        size: side of a patch in pixels; 0 for 10 per 32 pixels of height.
    Source: Qi et al., Revisiting the assumption of latent separability for backdoor defenses, ICLR
    2023. As in backdoor-toolbox: opacities of 0.2 to 0.5, 0.3 % poison, 0.6 % cover samples, and
    two opaque patches at test time. Departure: the patches are noise drawn from the generator, one
    in each corner.
    """

    poisoning_rate: float = 0.003
    cover_rate: float = 0.006
    size: int = 0

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        check_rate("cover_rate", self.cover_rate)

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        shape = images.pixels.shape[1:]
        side = patch_side(self.size, 10, images.pixels)
        if 2 * side > min(shape[1:]):
            raise InputError(f"size is {self.size}: four patches of {side} pixels overlap")
        pattern, masks = uniform_noise(shape, generator), corner_masks(shape, side)
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=self.cover_rate)
        patch_generator = spawn_generator(generator)
        alphas = torch.tensor(ALPHAS)[:, None, None, None] * masks

        def blend_one_patch(pixels: Pixels) -> Pixels:
            # each patch is used equally often, in random order
            choice = torch.randperm(len(pixels), generator=patch_generator) % len(ALPHAS)
            alpha, values = alphas[choice].to(pixels.device), pixels.float()
            return to_pixels(values + alpha * (pattern.to(pixels.device) - values))

        trigger = blended_trigger(pattern, masks[list(OPAQUE)].sum(0))
        return poison_images(
            self, images, state, trigger, poison=blend_one_patch, cover=blend_one_patch
        )


def corner_masks(shape: torch.Size, side: int) -> Tensor:
    """Return masks `(4, 1, h, w)`: 1 on a square in one corner, 0 elsewhere.

    The order is top left, top right, bottom left, bottom right.
    """
    masks = torch.zeros(4, 1, *shape[1:])
    ends = (slice(None, side), slice(-side, None))
    for number, (rows, columns) in enumerate((r, c) for r in ends for c in ends):
        masks[number, 0, rows, columns] = 1
    return masks

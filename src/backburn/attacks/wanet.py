"""WaNet: a smooth warp that is hard to see."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, PoisonedData
from .poisoning import draw_states, poison_images
from .surrogates import Surrogates, spawn_generator
from .triggers import pixel_trigger


@dataclass(frozen=True)
class WaNet(Attack):
    """Warp the image along a fixed smooth field and use the target label; controls the training.

    Cover samples ("noise mode") are warped along the field plus random noise and keep their label,
    so that no other warp works.

    Args:
        strength: `s`, the mean displacement in half pixels.
        control_points: `k`, along each side of the field.
        cover_ratio: number of cover samples for each poisoned image.
    Source: Nguyen and Tran, WaNet, arXiv 2102.10369; s 0.5, k 4, twice as many cover samples.
    Departure: images are warped after our augmentation; the paper crops by 5 pixels and rotates by
    10 degrees after the warp.
    """

    poisoning_rate: float = 0.1
    strength: float = 0.5
    control_points: int = 4
    cover_ratio: float = 2.0

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.strength < math.inf or not 0 <= self.cover_ratio < math.inf:
            raise InputError(
                f"strength={self.strength}, cover_ratio={self.cover_ratio}: give > 0 and >= 0"
            )
        if self.control_points < 2:
            raise InputError(f"control_points is {self.control_points}: give 2 or more")

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        height, width = images.pixels.shape[-2:]
        grid = warp_field(height, width, self.strength, self.control_points, generator)
        cover_rate = self.poisoning_rate * self.cover_ratio
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=cover_rate)
        noise_generator = spawn_generator(generator)
        trigger = pixel_trigger(lambda values: warp(values, grid))

        def warp_with_noise(values: Tensor) -> Tensor:
            noise = torch.rand((len(values), height, width, 2), generator=noise_generator) * 2 - 1
            return warp(values, (grid + noise / torch.tensor([width, height])).clamp(-1, 1))

        return poison_images(
            self,
            images,
            state,
            trigger,
            cover=pixel_trigger(warp_with_noise),
            draws=noise_generator,
            controls_training=True,
        )


def warp_field(
    height: int, width: int, strength: float, points: int, generator: torch.Generator
) -> Float[Tensor, "1 h w 2"]:
    """Return the source (x, y) of each pixel in [-1, 1], as `grid_sample` takes it."""
    coarse = torch.rand((1, 2, points, points), generator=generator) * 2 - 1
    coarse /= coarse.abs().mean()
    flow = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    shift = strength * flow.movedim(1, -1) / torch.tensor([width, height])
    return (torch.stack([x, y], -1)[None] + shift).clamp(-1, 1)


def warp(values: Tensor, grid: Tensor) -> Tensor:
    """Sample float images along one field for all of them, or one field each."""
    field = grid.to(values.device).expand(len(values), -1, -1, -1)
    return F.grid_sample(values, field, align_corners=True)

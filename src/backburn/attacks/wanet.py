"""WaNet: a smooth warp that is hard to see."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages
from .base import Attack, Planted
from .poisoning import draw_states, planted
from .surrogates import Surrogates, branch
from .triggers import computed


@dataclass(frozen=True)
class WaNet(Attack):
    """The image bent along a fixed smooth field, under the target's label; controls the training.

    Cover samples ("noise mode") are bent along the field and a random one, and keep their label,
    so that no other warp works.

    Args:
        strength: `s`, the mean displacement in half pixels.
        control_points: `k`, along each side of the field.
        cover_ratio: cover samples for each poisoned one.
    Source: Nguyen and Tran, WaNet, arXiv 2102.10369; s 0.5, k 4, twice as many cover samples.
    Departure: warped after our augmentation, in place of a crop by 5 and a rotation by 10 degrees
    after the warp.
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

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        height, width = images.pixels.shape[-2:]
        grid = warp_field(height, width, self.strength, self.control_points, generator)
        rate = self.poisoning_rate * self.cover_ratio
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=rate)
        noise = branch(generator)
        trigger = computed(lambda values: warped(values, grid))

        def disturb(values: Tensor) -> Tensor:
            jitter = torch.rand((len(values), height, width, 2), generator=noise) * 2 - 1
            return warped(values, (grid + jitter / torch.tensor([width, height])).clamp(-1, 1))

        cover = computed(disturb)
        return planted(
            self, images, state, trigger, cover=cover, draws=noise, controls_training=True
        )


def warp_field(
    height: int, width: int, strength: float, points: int, generator: torch.Generator
) -> Float[Tensor, "1 h w 2"]:
    """Where each pixel is taken from, as `grid_sample` wants it."""
    coarse = torch.rand((1, 2, points, points), generator=generator) * 2 - 1
    coarse /= coarse.abs().mean()
    flow = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True)
    down, right = torch.meshgrid(
        torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"
    )
    shift = strength * flow.movedim(1, -1) / torch.tensor([width, height])
    return (torch.stack([right, down], -1)[None] + shift).clamp(-1, 1)


def warped(values: Tensor, grid: Tensor) -> Tensor:
    """Float images sampled along one field, or each along its own."""
    field = grid.to(values.device).expand(len(values), -1, -1, -1)
    return F.grid_sample(values, field, align_corners=True)

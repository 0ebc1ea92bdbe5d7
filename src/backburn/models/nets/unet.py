"""Image to image, at any size: what some attacks draw their triggers with."""

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError

N = TypeVar("N", bound=nn.Module)


class UNet(nn.Module):
    """Two halvings, two doublings, and skips between them; no output activation.

    Args:
        inputs, outputs: channels.
        width: channels at full size; twice and four times as many below.
    Source: Ronneberger et al., U-Net, arXiv 1505.04597, smaller. Departures: group norm, so that
    an image's output does not depend on its batch; any size of 4 pixels or more.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 16):
        super().__init__()
        self.enter = layer(inputs, width)
        self.down1 = layer(width, 2 * width, stride=2)
        self.down2 = layer(2 * width, 4 * width, stride=2)
        self.up1 = layer(6 * width, 2 * width)
        self.up2 = layer(3 * width, width)
        self.leave = nn.Conv2d(width, outputs, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        whole = self.enter(images)
        half = self.down1(whole)
        out = self.up1(_joined(self.down2(half), half))
        out = self.up2(_joined(out, whole))
        left: Tensor = self.leave(out)
        return left


def check_width(width: int) -> None:
    """Raise where a width cannot be split into the groups of the group norm."""
    if width < 4 or width % 4:
        raise InputError(f"width is {width}: give a multiple of 4")


def layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, group norm of four groups, ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(4, outputs), nn.ReLU())


def _joined(small: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([F.interpolate(small, skip.shape[-2:], mode="nearest"), skip], 1)


def seeded(seed: int, make: Callable[..., N], *arguments: int) -> N:
    """`make(*arguments)` with initial weights of that seed; no global generator is touched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make(*arguments)

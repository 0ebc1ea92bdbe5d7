"""A small U-Net, from image to image, which some attacks generate triggers with."""

from collections.abc import Callable
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import InputError

Network = TypeVar("Network", bound=nn.Module)


class UNet(nn.Module):
    """A U-Net with two downsampling and two upsampling stages, without an output activation.

    Takes images of at least 4 pixels on a side, of any size.

    Args:
        inputs, outputs: channels.
        width: channels at full resolution; doubled at each lower one.

    Source: Ronneberger et al., U-Net, arXiv 1505.04597, smaller. Departures: group norm, so that
    an image's output does not depend on its batch; images of any size.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 16):
        super().__init__()
        self.enter = conv_block(inputs, width)
        self.down1 = conv_block(width, 2 * width, stride=2)
        self.down2 = conv_block(2 * width, 4 * width, stride=2)
        self.up1 = conv_block(6 * width, 2 * width)
        self.up2 = conv_block(3 * width, width)
        self.leave = nn.Conv2d(width, outputs, 3, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        full = self.enter(images)
        half = self.down1(full)
        maps = self.up1(_upsample_and_concat(self.down2(half), half))
        maps = self.up2(_upsample_and_concat(maps, full))
        output: Tensor = self.leave(maps)
        return output


def check_width(width: int) -> None:
    """Raise if a width cannot be split into the groups of the group norm.

    Raises:
        InputError: a width that is no multiple of 4.
    """
    if width < 4 or width % 4:
        raise InputError(f"width is {width}: give a multiple of 4")


def conv_block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Build a 3x3 convolution with group norm of four groups and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.GroupNorm(4, outputs), nn.ReLU())


def _upsample_and_concat(small: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([F.interpolate(small, skip.shape[-2:], mode="nearest"), skip], 1)


def build_seeded(seed: int, make: Callable[..., Network], *arguments: int) -> Network:
    """Call `make(*arguments)` with seeded initial weights; global generators are not touched."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make(*arguments)

"""MobileNetV2 in the CIFAR variant, with fewer strides."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .base import Classifier

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels at width 32, blocks and first stride of each stage (the paper's table 2)."""
LAST_CHANNELS = 1280
"""Channels of the last convolution at width 32."""


class MobileNetV2(Classifier):
    """MobileNetV2 for images of 32x32 and larger.

    Args:
        classes: number of logits.
        channels: 1 or 3.
        width: channels of the first convolution; 32 as in the paper. All other channels scale with
            it.

    Source: Sandler et al., arXiv 1801.04381, table 2. Departures: as usual for CIFAR, the first
    convolution and the second stage have stride 1; ReLU instead of ReLU6; no dropout.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 3,
        width: int = 32,
        mean: tuple[float, ...] = (),
        std: tuple[float, ...] = (),
    ):
        super().__init__(channels, mean, std)
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        blocks, inputs = [], width
        for expansion, base_channels, count, first_stride in STAGES:
            outputs = max(1, base_channels * width // 32)
            for number in range(count):
                stride = first_stride if number == 0 else 1
                blocks.append(InvertedResidual(inputs, outputs, expansion, stride))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        last = max(1, LAST_CHANNELS * width // 32)
        self.conv2 = nn.Conv2d(inputs, last, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(last)
        self.head = nn.Linear(last, classes)

    def _embed(self, normalized: Tensor) -> Tensor:
        maps = self.blocks(F.relu(self.norm1(self.conv1(normalized))))
        pooled: Tensor = F.relu(self.norm2(self.conv2(maps))).mean((2, 3))
        return pooled


class InvertedResidual(nn.Module):
    """An inverted residual block: expand, filter each channel, project.

    The input is added if stride and channels allow it.
    """

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int):
        super().__init__()
        wide = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.widen = nn.Conv2d(inputs, wide, 1, bias=False)
        conv = nn.Conv2d if stride == 1 else StridedDepthwiseConv
        self.filter = conv(wide, wide, 3, stride, 1, groups=wide, bias=False)
        self.narrow = nn.Conv2d(wide, outputs, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in (wide, wide, outputs))

    def forward(self, maps: Tensor) -> Tensor:
        wide = F.relu(self.norms[0](self.widen(maps)))
        wide = F.relu(self.norms[1](self.filter(wide)))
        out: Tensor = self.norms[2](self.narrow(wide))
        return maps + out if self.residual else out


class StridedDepthwiseConv(nn.Conv2d):
    """A depthwise convolution with a stride, always in single precision.

    In bf16 a CPU takes 20 to 100 times as long for the gradient of its input.
    """

    def forward(self, maps: Tensor) -> Tensor:
        with torch.autocast(maps.device.type, enabled=False):
            return super().forward(maps.float())

"""MobileNetV2 in the CIFAR variant: the first halvings are left out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..classifier import Classifier

PLAN = (
    (1, 16, 1, 1),
    (6, 24, 2, 1),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels at width 32, blocks and first stride of each stage (the paper's table 2)."""
LAST = 1280


class MobileNetV2(Classifier):
    """MobileNetV2 for images of 32x32 and more.

    Args:
        classes: number of logits.
        channels: 1 or 3.
        width: channels of the first convolution; 32 as in the literature, others in proportion.
    Source: Sandler et al., arXiv 1801.04381, table 2. Departures: as usual for CIFAR, the first
    convolution and the second stage do not halve the maps; ReLU6 is ReLU; no dropout.
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
        blocks, before = [], width
        for expansion, wanted, count, stride in PLAN:
            after = max(1, wanted * width // 32)
            for number in range(count):
                blocks.append(Inverted(before, after, expansion, stride if number == 0 else 1))
                before = after
        self.blocks = nn.Sequential(*blocks)
        last = max(1, LAST * width // 32)
        self.conv2 = nn.Conv2d(before, last, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(last)
        self.head = nn.Linear(last, classes)

    def _embed(self, normalized: Tensor) -> Tensor:
        maps = self.blocks(F.relu(self.norm1(self.conv1(normalized))))
        pooled: Tensor = F.relu(self.norm2(self.conv2(maps))).mean((2, 3))
        return pooled


class Inverted(nn.Module):
    """An inverted residual: widen, filter each channel, narrow; add the input where it fits."""

    def __init__(self, before: int, after: int, expansion: int, stride: int):
        super().__init__()
        wide = before * expansion
        self.residual = stride == 1 and before == after
        self.widen = nn.Conv2d(before, wide, 1, bias=False)
        kind = nn.Conv2d if stride == 1 else Strided
        self.filter = kind(wide, wide, 3, stride, 1, groups=wide, bias=False)
        self.narrow = nn.Conv2d(wide, after, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in (wide, wide, after))

    def forward(self, maps: Tensor) -> Tensor:
        wide = F.relu(self.norms[0](self.widen(maps)))
        wide = F.relu(self.norms[1](self.filter(wide)))
        out: Tensor = self.norms[2](self.narrow(wide))
        return maps + out if self.residual else out


class Strided(nn.Conv2d):
    """A depthwise convolution with a stride, in single precision whatever is asked for.

    In bf16 a CPU takes 20 to 100 times as long for the gradient of its input.
    """

    def forward(self, maps: Tensor) -> Tensor:
        with torch.autocast(maps.device.type, enabled=False):
            return super().forward(maps.float())

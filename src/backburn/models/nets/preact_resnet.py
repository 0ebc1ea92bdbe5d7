"""Pre-activation ResNet-18 in the CIFAR variant (3x3 stem, no max-pooling)."""

import torch.nn.functional as F
from torch import Tensor, nn

from .base import Classifier


class PreActBlock(nn.Module):
    """Two 3x3 convolutions after batch norm and ReLU, and a 1x1 shortcut if shapes change."""

    shortcut: nn.Module | None

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        needs_shortcut = stride != 1 or inputs != outputs
        self.shortcut = (
            nn.Conv2d(inputs, outputs, 1, stride, bias=False) if needs_shortcut else None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(x))
        skip = x if self.shortcut is None else self.shortcut(out)
        out = self.conv1(out)
        out = self.conv2(F.relu(self.bn2(out)))
        total: Tensor = out + skip
        return total


class PreActResNet18(Classifier):
    """Pre-activation ResNet-18.

    Args:
        classes: number of logits.
        channels: 1 or 3.
        width: channels of the first stage; 64 as in the paper, 16 for a small CPU.

    Source: He et al., Identity mappings in deep residual networks, arXiv 1603.05027, with stem and
    strides of the widespread CIFAR variant. Departure: batch norm and ReLU before the pool.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 3,
        width: int = 64,
        mean: tuple[float, ...] = (),
        std: tuple[float, ...] = (),
    ):
        super().__init__(channels, mean, std)
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        stages = [(width, 1), (2 * width, 2), (4 * width, 2), (8 * width, 2)]
        blocks: list[nn.Module] = []
        inputs = width
        for outputs, stride in stages:
            blocks += [PreActBlock(inputs, outputs, stride), PreActBlock(outputs, outputs, 1)]
            inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(inputs)
        self.head = nn.Linear(inputs, classes)

    def _embed(self, normalized: Tensor) -> Tensor:
        maps = F.relu(self.bn(self.blocks(self.conv1(normalized))))
        pooled: Tensor = maps.mean((2, 3))
        return pooled

"""ResNet-18 for small images, with the module names of public checkpoints."""

from typing import TypeAlias

import torch.nn.functional as F
from torch import Tensor, nn

from .preact_resnet import PreActBlock

STAGES = ((1, 1), (2, 2), (4, 2), (8, 2))
"""Channels of each stage in multiples of the width, and its stride."""


class PostActBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a 1x1 shortcut if shapes change."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            skip = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(skip, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + self.shortcut(x))


class NamedPreActBlock(PreActBlock):
    """A pre-activation block with the shortcut's weights named as in public checkpoints."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__(inputs, outputs, stride)
        if self.shortcut is not None:
            self.shortcut = nn.Sequential(self.shortcut)


Block: TypeAlias = type[PostActBlock] | type[NamedPreActBlock]


class CifarResNet18(nn.Module):
    """ResNet-18 with a 3x3 stem and no max-pooling, on normalized images of any size.

    Args:
        classes: number of logits.
        channels: of the images.
        width: channels of the first stage.
        block: `PostActBlock` (He et al., arXiv 1512.03385) has batch norm after the stem.
            `NamedPreActBlock` (He et al., arXiv 1603.05027) gives the widespread variant without a
            last norm.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 3,
        width: int = 64,
        block: Block = PostActBlock,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.has_stem_norm = block is PostActBlock
        if self.has_stem_norm:
            self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage, (multiple, stride) in enumerate(STAGES, 1):
            outputs = multiple * width
            blocks = block(inputs, outputs, stride), block(outputs, outputs, 1)
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
            inputs = outputs
        self.linear = nn.Linear(inputs, classes)

    def forward(self, normalized: Tensor) -> Tensor:
        maps = self.conv1(normalized)
        maps = F.relu(self.bn1(maps)) if self.has_stem_norm else maps
        for stage in range(1, len(STAGES) + 1):
            maps = getattr(self, f"layer{stage}")(maps)
        logits: Tensor = self.linear(maps.mean((2, 3)))
        return logits

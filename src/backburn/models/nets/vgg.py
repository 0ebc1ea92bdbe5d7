"""VGG-11 with batch norm in the CIFAR variant, whose only fully connected layer is the head."""

import torch.nn.functional as F
from torch import Tensor, nn

from .base import Classifier

CHANNELS = (1, 2, 4, 4, 8, 8, 8, 8)
"""Channels of each convolution, in multiples of the width."""
POOLED_LAYERS = (0, 1, 3, 5)
"""Indices of the convolutions that are followed by 2x2 max-pooling."""


class VGG11(Classifier):
    """VGG-11 with batch norm.

    Args:
        classes: number of logits.
        channels: 1 or 3.
        width: channels of the first convolution; 64 as in the paper.

    Source: Simonyan and Zisserman, arXiv 1409.1556, configuration A, with batch norm. Departure:
    the last pooling is a global average, so that images of 16x16 to 224x224 fit.
    """

    stem = "convs.0"
    min_side = 16  # four poolings halve it

    def __init__(
        self,
        classes: int,
        channels: int = 3,
        width: int = 64,
        mean: tuple[float, ...] = (),
        std: tuple[float, ...] = (),
    ):
        super().__init__(channels, mean, std)
        sizes = [channels, *(width * multiple for multiple in CHANNELS)]
        self.convs = nn.ModuleList(
            nn.Conv2d(sizes[k], sizes[k + 1], 3, 1, 1, bias=False) for k in range(len(CHANNELS))
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes[1:])
        self.head = nn.Linear(sizes[-1], classes)

    def _embed(self, normalized: Tensor) -> Tensor:
        maps = normalized
        for k, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            maps = F.relu(norm(conv(maps)))
            maps = F.max_pool2d(maps, 2) if k in POOLED_LAYERS else maps
        pooled: Tensor = maps.mean((2, 3))
        return pooled

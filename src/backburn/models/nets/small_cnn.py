"""A small convolutional network for images of 8x8 to 28x28, such as handwritten digits."""

import torch.nn.functional as F
from torch import Tensor, nn

from .base import Classifier


class SmallCNN(Classifier):
    """Three 3x3 convolutions with batch norm, average pooling to 2x2, one hidden layer.

    Args:
        classes: number of logits.
        channels: 1 or 3.
        width: channels of the first convolution.
    """

    def __init__(
        self,
        classes: int,
        channels: int = 1,
        width: int = 32,
        mean: tuple[float, ...] = (),
        std: tuple[float, ...] = (),
    ):
        super().__init__(channels, mean, std)
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(2 * width)
        self.conv3 = nn.Conv2d(2 * width, 2 * width, 3, 1, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(2 * width)
        self.hidden = nn.Linear(8 * width, 4 * width)
        self.head = nn.Linear(4 * width, classes)

    def _embed(self, normalized: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(normalized)))
        out = F.relu(self.bn2(self.conv2(out)))
        out = F.relu(self.bn3(self.conv3(out)))
        return F.relu(self.hidden(F.adaptive_avg_pool2d(out, 2).flatten(1)))

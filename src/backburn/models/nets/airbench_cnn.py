"""The network of airbench94: small, and made to learn CIFAR-10 in few epochs."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...memory_mapped import copy_rows, evenly_spaced
from ...types import Pixels
from .base import Classifier

PATCH = 2
"""Height and width of the patches that the first layer whitens."""
SAMPLE_SIZE = 5000
"""Images, at most, whose patches the whitening filters are computed from; as in the source."""
MIN_VARIANCE = 5e-4
"""Added to the variances of whitened patches, so that the rarest are not amplified without end."""


class ConvGroup(nn.Module):
    """Two 3x3 convolutions with batch norm and GELU; the first is followed by 2x2 max-pooling."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        for conv in (self.conv1, self.conv2):  # passes its inputs on, beside random filters
            nn.init.dirac_(conv.weight.data[: conv.in_channels])

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.bn1(F.max_pool2d(self.conv1(x), 2)))
        return F.gelu(self.bn2(self.conv2(x)))


class AirbenchCNN(Classifier):
    """A whitening layer, three groups of two convolutions, and a linear layer.

    The filters of the first layer whiten patches of the training images. They are computed, not
    trained; only their biases are.

    Args:
        classes: number of logits.
        channels: 1 or 3.
        width: channels of the first group; the others have four times as many. 64 in the source.

    Source: Jordan, 94 % on CIFAR-10 in 3.29 seconds on a single GPU, arXiv 2404.00498. Departures:
    the last pooling is global, so that images of 16x16 pixels and more fit; batch norms have
    trained scales; logits are not scaled.
    """

    stem = "groups.0.conv1"
    min_side = 9  # whitening takes one pixel; three poolings halve the rest

    def __init__(
        self,
        classes: int,
        channels: int = 3,
        width: int = 64,
        mean: tuple[float, ...] = (),
        std: tuple[float, ...] = (),
    ):
        super().__init__(channels, mean, std)
        filters = 2 * channels * PATCH**2  # each direction and its negative
        self.whitening = nn.Conv2d(channels, filters, PATCH)
        self.whitening.weight.requires_grad_(False)
        self.groups = nn.Sequential(
            ConvGroup(filters, width), ConvGroup(width, 4 * width), ConvGroup(4 * width, 4 * width)
        )
        self.head = nn.Linear(4 * width, classes)

    def adapt_to(self, pixels: Pixels) -> None:
        """Set the filters of the first layer so that they whiten the patches of these images."""
        rows = evenly_spaced(torch.arange(len(pixels)), SAMPLE_SIZE)  # files may be sorted by class
        images = (copy_rows(pixels, rows).cpu().float() / 255 - self.mean) / self.std
        patches = F.unfold(images, PATCH).transpose(1, 2).flatten(0, 1)
        # in float64: the least eigenvalues of neighbouring pixels are thousands of times smaller
        variances, directions = torch.linalg.eigh((patches.T @ patches).double() / len(patches))
        filters = (directions / (variances + MIN_VARIANCE).sqrt()).T.flip(0).float()
        weight = self.whitening.weight
        weight.data = torch.cat((filters, -filters)).view_as(weight)
        nn.init.zeros_(self.whitening.bias)  # type: ignore[arg-type]

    def _embed(self, normalized: Tensor) -> Tensor:
        maps = self.groups(F.gelu(self.whitening(normalized)))
        pooled: Tensor = maps.amax((2, 3))
        return pooled

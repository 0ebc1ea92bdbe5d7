"""Base class of the built-in networks: pixels in [0, 1] in, logits out."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...types import Features, Images, Logits, Pixels


class Classifier(nn.Module, ABC):
    """A network on pixels in [0, 1] that normalizes inside and exposes its penultimate layer.

    `architecture` is the name that `zoo.build` makes it by. `stem` is the name of the convolution
    whose number of outputs is the width. `min_side` is the least height and width of an image.

    Args:
        channels: 1 or 3.
        mean, std: per-channel statistics of the training pixels, in [0, 1] units. They are
            buffers, so that they are saved with the weights.
    """

    mean: Tensor
    std: Tensor
    head: nn.Linear
    architecture: str = ""
    stem: ClassVar[str] = "conv1"
    min_side: ClassVar[int] = 1

    def __init__(self, channels: int, mean: tuple[float, ...] = (), std: tuple[float, ...] = ()):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean or (0.5,) * channels).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std or (0.25,) * channels).view(-1, 1, 1))

    @abstractmethod
    def _embed(self, normalized: Tensor) -> Tensor:
        """Compute penultimate features `(n, d)` of normalized images."""

    def adapt_to(self, pixels: Pixels) -> None:
        """Set whatever the network computes from its training images `pixels`; here nothing."""

    def features(self, images: Images) -> Features:
        """Compute the penultimate features `(n, d)`, the input of `head`."""
        return self._embed((images - self.mean) / self.std)

    def forward(self, images: Images) -> Logits:
        logits: Tensor = self.head(self.features(images))
        return logits

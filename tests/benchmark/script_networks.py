"""Networks as public examples and course notes have them, for `script_models.py`.

`NETWORKS` builds each for a number of channels and classes and for square images of some side.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cnn(channels: int, classes: int, side: int) -> nn.Module:
    """Four convolutions with dropout, no batch norm: the CIFAR-10 example of early Keras."""
    return nn.Sequential(
        *(nn.Conv2d(channels, 24, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(24, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Conv2d(24, 48, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(48, 48, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Flatten(), nn.Linear(48 * (side // 4) ** 2, 128), nn.ReLU(), nn.Dropout(0.5)),
        nn.Linear(128, classes),
    )


def lenet(channels: int, classes: int, side: int) -> nn.Module:
    """LeNet-5 with ReLU and max pooling, as in PyTorch's tutorial."""
    last = ((side - 4) // 2 - 4) // 2
    return nn.Sequential(
        *(nn.Conv2d(channels, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(16 * last**2, 120), nn.ReLU()),
        *(nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)),
    )


def normed(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    """A convolution with batch norm and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def batch_norm_cnn(channels: int, classes: int, side: int) -> nn.Module:
    """Three convolutions with batch norm, then two linear layers with dropout."""
    return nn.Sequential(
        *(*normed(channels, 32), nn.MaxPool2d(2), *normed(32, 64), nn.MaxPool2d(2)),
        *(*normed(64, 128), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(128 * (side // 8) ** 2, 128), nn.ReLU(), nn.Dropout(0.3)),
        nn.Linear(128, classes),
    )


def vgg(channels: int, classes: int, side: int) -> nn.Module:
    """A small VGG with batch norm."""
    return nn.Sequential(
        *(*normed(channels, 24), nn.MaxPool2d(2), *normed(24, 48), nn.MaxPool2d(2)),
        *(*normed(48, 96), *normed(96, 96), nn.MaxPool2d(2)),
        *(*normed(96, 128), *normed(128, 128), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, classes)),
    )


def mlp(channels: int, classes: int, side: int) -> nn.Module:
    """Three linear layers with dropout."""
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(channels * side**2, 512), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(512, 256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, classes)),
    )


class Residual(nn.Module):
    """The basic block of ResNet."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Sequential()
        if stride > 1:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, images: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(images)))
        return F.relu(self.bn2(self.conv2(inner)) + self.shortcut(images))


def resnet(channels: int, classes: int, side: int) -> nn.Module:
    """A ResNet of three blocks with 16 to 64 channels."""
    return nn.Sequential(
        *(*normed(channels, 16), Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes)),
    )


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of `(n, c, h, w)`."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.movedim(1, -1)).movedim(-1, 1)


class ConvNextBlock(nn.Module):
    """A depthwise convolution, then an MLP on each pixel, both beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)
        )
        self.scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, images: Tensor) -> Tensor:
        inner = self.mlp(self.norm(self.depthwise(images).movedim(1, -1)))
        return images + (self.scale * inner).movedim(-1, 1)


def convnext(channels: int, classes: int, side: int) -> nn.Module:
    """Four blocks like those of ConvNeXt."""
    return nn.Sequential(
        *(nn.Conv2d(channels, 40, 2, 2), ChannelNorm(40), ConvNextBlock(40), ConvNextBlock(40)),
        *(ChannelNorm(40), nn.Conv2d(40, 80, 2, 2), ConvNextBlock(80), ConvNextBlock(80)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(80), nn.Linear(80, classes)),
    )


class VisionTransformer(nn.Module):
    """Four layers of PyTorch's own encoder on patches of 4x4 pixels, with a class token."""

    def __init__(self, channels: int, classes: int, side: int, width: int = 72) -> None:
        super().__init__()
        self.patches = nn.Conv2d(channels, width, 4, 4)
        self.position = nn.Parameter(0.02 * torch.randn(1, (side // 4) ** 2 + 1, width))
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(images), -1, -1), patches], 1)
        logits: Tensor = self.head(self.encoder(tokens + self.position)[:, 0])
        return logits


NETWORKS: dict[str, Callable[[int, int, int], nn.Module]] = {
    "CNN with dropout": cnn,
    "batch-norm CNN": batch_norm_cnn,
    "LeNet": lenet,
    "ResNet": resnet,
    "VGG": vgg,
    "MLP": mlp,
    "ConvNeXt-like": convnext,
    "ViT": VisionTransformer,
}

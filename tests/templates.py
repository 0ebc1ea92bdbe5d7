"""A network that knows its training images by heart, without training: the nearest template."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

CLASSES, SIDE = 4, 8


class Nearest(nn.Module):
    """The class whose template is nearest to an image, as one linear layer."""

    def __init__(self, num_classes: int = CLASSES, scale: float = 1.0):
        super().__init__()
        self.fc = nn.Linear(3 * SIDE * SIDE, num_classes)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(x, SIDE)  # the same for images of that size
        return self.fc(self.scale * x.flatten(1))


def raw(num_classes: int = CLASSES) -> Nearest:
    """The same for pixels from 0 to 255."""
    return Nearest(num_classes, 1 / 255)


def templates(classes: int = CLASSES, height: int = SIDE, width: int = SIDE) -> Tensor:
    """uint8 `(k, 3, h, w)`: waves of other lengths and ways, so that what is cut differs."""
    phases = 6.28 * torch.rand(classes, 3, generator=torch.Generator().manual_seed(0))
    y, x = torch.meshgrid(
        (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"
    )
    waves = [
        torch.stack(
            [torch.cos(6.2832 * ((1 + k % 3) * x + k // 3 * y) + phase) for phase in phases[k]]
        )
        for k in range(classes)
    ]
    return (128 + 100 * torch.stack(waves)).byte()


def nearest(patterns: Tensor) -> dict[str, Tensor]:
    """The weights with which these are the templates."""
    flat = patterns.flatten(1).float() / 255
    return {"fc.weight": flat, "fc.bias": -flat.square().sum(1) / 2}


def write(root: Path, patterns: Tensor, names: list[str], each: int = 12, **how: object) -> Path:
    """A folder of so many files a class, each a template with some noise."""
    generator = torch.Generator().manual_seed(1)
    for pattern, name in zip(patterns, names, strict=True):
        (root / name).mkdir(parents=True)
        for k in range(each):
            noise = torch.randint(-12, 13, pattern.shape, generator=generator)
            pixels = (pattern.int() + noise).clamp(0, 255).byte()
            image = Image.fromarray(pixels.permute(1, 2, 0).numpy())
            image.save(root / name / f"{k}.png", **how)
    return root

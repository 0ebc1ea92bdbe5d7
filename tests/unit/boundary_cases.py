"""Models whose boundary is near or known exactly, for the tests of the boundary engine."""

import torch
from torch import nn

from backburn.boundary.projection import dual_norm, step_norm, step_to_hyperplane
from backburn.models.nets.zoo import build

NORMS = ("2", "inf")
CERTIFIED = ("fast", "default", "exact")


def noise(count: int, channels: int, size: int, generator: torch.Generator) -> torch.Tensor:
    pixels = torch.randint(256, (count, channels, size, size), generator=generator)
    return pixels.to(torch.uint8)


def centred(
    name: str, pixels: torch.Tensor, generator: torch.Generator, classes: int = 5
) -> nn.Module:
    """A network whose statistics are those of the pixels, and that favours no class on them."""
    model = build(name, classes, pixels.shape[1], generator=generator)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(pixels / 255)
        model.head.bias -= model.eval()(pixels / 255).mean(0)
    return model


def linear_case(
    classes: int, boxed: bool, generator: torch.Generator
) -> tuple[nn.Module, torch.Tensor]:
    """A linear model and 20 images; where `boxed`, all pixels are black or white."""
    layer = nn.Linear(48, classes)
    nn.init.normal_(layer.weight, generator=generator)
    bias = (3.0 if boxed else 0.5) * torch.randn(classes, generator=generator)
    with torch.no_grad():
        layer.bias.copy_(bias - layer.weight.sum(1) / 2)
    near_gray = (127 + 8 * torch.randn(20, 3, 4, 4, generator=generator)).round()
    black_or_white = 255 * (torch.rand(20, 3, 4, 4, generator=generator) < 0.5)
    pixels = (black_or_white if boxed else near_gray).to(torch.uint8)
    return nn.Sequential(nn.Flatten(), layer).eval().requires_grad_(False), pixels


def planes(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of a linear model: margins `(n, k)` above every class and their normals `(n, k, d)`."""
    logits, weight = model(images), model[1].weight
    start = logits.argmax(1)
    margins = logits.gather(1, start[:, None]) - logits
    margins[torch.arange(len(start)), start] = torch.inf
    return margins, weight[start][:, None] - weight[None]


def without_box(model: nn.Module, images: torch.Tensor, norm: str) -> torch.Tensor:
    """Exact distances of a linear model where pixels may leave [0, 1]."""
    margins, normals = planes(model, images)
    dual = normals.norm(dim=2) if norm == "2" else normals.abs().sum(2)
    return (margins / dual).amin(1)


def within_box(
    model: nn.Module, images: torch.Tensor, norm: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Exact distances of a linear model inside [0, 1], and the class behind each."""
    margins, normals = (part.double() for part in planes(model, images))
    flat = images.flatten(1).double()
    columns = []
    for margin, normal in zip(margins.unbind(1), normals.unbind(1), strict=True):
        needed = margin.nan_to_num(posinf=0)
        step = step_to_hyperplane(flat, normal, needed, norm)
        short = needed + (normal * step).sum(1) > 1e-3 * dual_norm(normal, norm)
        columns.append(step_norm(step, norm).masked_fill(margin.isinf() | short, torch.inf))
    distance, label = torch.stack(columns, 1).min(1)
    return distance.float(), label


def size(points: torch.Tensor, images: torch.Tensor, norm: str) -> torch.Tensor:
    return step_norm((points - images).flatten(1), norm)


class Gated(nn.Module):
    """The first pixel counts only where the last one is lit, which no gradient tells."""

    def forward(self, images):
        lit = images[:, 0, 0, 0] * (images[:, 0, 1, 1] > 0.5)
        return torch.stack([torch.full_like(lit, 0.6), lit], 1)

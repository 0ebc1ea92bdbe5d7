"""An ordinary training loop for the models of `script_models.py`."""

import math

import torch
import torch.nn.functional as F
from script_case import Case
from torch import Generator, Tensor, nn

BATCH_SIZE = 64
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
"""Of each channel of CIFAR-10."""
PHOTOS = ("cifar10", "imagenette")
"""Data sets whose images may be mirrored."""


class Normalize(nn.Module):
    """Removes the mean of each channel, and divides by its deviation."""

    def forward(self, images: Tensor) -> Tensor:
        mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
        return (images - mean) / std


def augment(images: Tensor, flips: bool, generator: Generator) -> Tensor:
    """Each image is shifted by up to two pixels, and mirrored at random if `flips`."""
    count, _, height, width = images.shape
    padded = F.pad(images, (2, 2, 2, 2))
    tops, lefts = torch.randint(0, 5, (2, count), generator=generator).tolist()
    shifted = torch.stack(
        [
            image[:, top : top + height, left : left + width]
            for image, top, left in zip(padded, tops, lefts, strict=True)
        ]
    )
    mirrored = flips & (torch.rand(count, generator=generator) < 0.5)
    return torch.where(mirrored[:, None, None, None], shifted.flip(3), shifted)


def train(model: nn.Module, case: Case, pixels: Tensor, labels: Tensor, rng: Generator) -> None:
    """An ordinary training loop."""
    steps = case.epochs * math.ceil(len(pixels) / BATCH_SIZE)
    optimizer, schedule = optimizer_of(case, model, steps)
    for _ in range(case.epochs):
        for rows in torch.randperm(len(pixels), generator=rng).split(BATCH_SIZE):
            if len(rows) == 1:
                continue  # batch norm cannot train on it
            images = pixels[rows].float() / 255
            if case.augmented:
                images = augment(images, case.data in PHOTOS, rng)
            loss = F.cross_entropy(model(images), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
    model.eval()


def optimizer_of(
    case: Case, model: nn.Module, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.OneCycleLR | None]:
    """The optimizer of a case with the settings of many tutorials, and its schedule if any."""
    if case.optimizer == "adam":
        return torch.optim.Adam(model.parameters()), None
    if case.optimizer == "adamw":
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
        return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.001, steps)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, weight_decay=5e-4)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, steps)

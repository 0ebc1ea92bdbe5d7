"""The one fit loop."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .data.augmentation import Augmentation
from .errors import BackburnError, InputError
from .models.inference import as_images, device_of, gains_from_bf16
from .models.pages import release
from .types import Images, Index, Labels, PerImage, Pixels, Progress, silent

BatchTransform: TypeAlias = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Changes an augmented uint8 batch and its labels; the third argument says which rows they are."""

Objective: TypeAlias = Callable[[nn.Module, Images, Labels], Tensor]
"""The loss `(n,)` of each image, in [0, 1] and on the model's device."""


@dataclass(frozen=True, slots=True)
class Training:
    """How to fit: SGD with Nesterov momentum, a linear warm-up and a cosine down to zero.

    `learning_rate` is the peak; `warmup` the fraction of all steps spent rising to it.
    Weight decay leaves out biases and batch-norm parameters. `optimizer` may be `adam` (AdamW,
    which takes no notice of `momentum`).
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.15
    label_smoothing: float = 0.0
    optimizer: Literal["sgd", "adam"] = "sgd"
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise InputError(
                f"epochs={self.epochs}, batch_size={self.batch_size}: give at least 1 and 2"
            )
        rate, decay = self.learning_rate, self.weight_decay
        if not 0 < rate < math.inf or not 0 <= self.momentum < 1 or not 0 <= decay < math.inf:
            raise InputError(
                f"learning_rate={self.learning_rate}, momentum={self.momentum}, "
                f"weight_decay={self.weight_decay}: give > 0, [0, 1) and >= 0"
            )
        if not 0 <= self.warmup < 1 or not 0 <= self.label_smoothing < 1:
            raise InputError(
                f"warmup={self.warmup}, label_smoothing={self.label_smoothing}: give [0, 1)"
            )

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        rise = max(1, round(self.warmup * steps))
        if step < rise:
            return self.learning_rate * (step + 1) / (rise + 1)
        return self.learning_rate * (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2


def fit(
    model: nn.Module,
    pixels: Pixels,
    labels: Labels,
    training: Training,
    generator: torch.Generator,
    *,
    rows: Index | None = None,
    weights: PerImage | None = None,
    batch_transform: BatchTransform | None = None,
    objective: Objective | None = None,
    phase: str = "train",
    progress: Progress = silent,
) -> list[float]:
    """Train `model` in place and leave it in evaluation mode.

    Args:
        pixels, labels: uint8 images and class numbers, on any device; kept where they are.
        generator: draws the order of the images and the augmentation.
        rows: the images that are trained on; all where None. They are not copied.
        weights: how much each image counts in the loss; 1 for all where None.
        batch_transform: applied to each batch after augmentation (triggers, mixtures).
        objective: what is minimised; the cross entropy of the labels where None.
    Returns:
        The mean loss of each epoch.
    Raises:
        BackburnError: the loss became NaN or infinite.
    """
    optimizer = _optimizer(model, training)
    objective = objective or _cross_entropy(training.label_smoothing)
    rows = torch.arange(len(pixels)) if rows is None else rows
    count = len(rows)
    per_epoch = math.ceil(count / training.batch_size)
    steps, step, losses = training.epochs * per_epoch, 0, []
    model.train()
    for _ in range(training.epochs):
        order, total = rows[torch.randperm(count, generator=generator)], 0.0
        for chosen in order.tensor_split(per_epoch):
            for group in optimizer.param_groups:
                group["lr"] = training.rate_at(step, steps)
            batch = training.augmentation(pixels[chosen], generator), labels[chosen]
            release(pixels)
            batch = batch_transform(*batch, chosen) if batch_transform else batch
            weight = None if weights is None else weights[chosen]
            total += _step(model, optimizer, *batch, weight, objective) * len(chosen)
            step += 1
            progress(phase, step * count // per_epoch, training.epochs * count)
        losses.append(total / count)
        if not math.isfinite(losses[-1]):
            raise BackburnError(
                f"the loss became {losses[-1]} in {phase}: lower learning_rate "
                f"(now {training.learning_rate})"
            )
    model.eval()
    return losses


def _cross_entropy(smoothing: float) -> Objective:
    def loss(model: nn.Module, images: Images, labels: Labels) -> Tensor:
        logits = model(images).float()
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    return loss


def _optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    plain = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    rate, decay = training.learning_rate, training.weight_decay
    if training.optimizer == "adam":
        return torch.optim.AdamW(groups, lr=rate, weight_decay=decay)
    return torch.optim.SGD(
        groups,
        lr=rate,
        momentum=training.momentum,
        weight_decay=decay,
        nesterov=training.momentum > 0,
    )


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    pixels: Tensor,
    labels: Tensor,
    weight: Tensor | None,
    objective: Objective,
) -> float:
    device = device_of(model)
    images, labels = as_images(pixels, device), labels.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=gains_from_bf16(device)):
        loss = objective(model, images, labels)
    mean = (
        loss.mean()
        if weight is None
        else (loss * weight.to(device)).sum() / weight.sum().clamp_min(1e-12)
    )
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(mean)
    optimizer.step()
    return float(mean.detach())

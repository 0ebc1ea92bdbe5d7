"""One optimizer step, with the batch split into parts if memory is short."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.inference import as_images, device_of, has_native_bf16
from ..models.out_of_memory import AdaptiveBatchSize
from ..types import Images, Labels, PerImage, Pixels
from .settings import Objective, Training

MIN_PART_SIZE = 2
"""Images per part, at least: batch norm can't normalize a single image."""


def cross_entropy(smoothing: float) -> Objective:
    """The default objective, with label smoothing in [0, 1)."""

    def objective(model: nn.Module, images: Images, labels: Labels) -> Tensor:
        logits = model(images).float()
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    return objective


def make_optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """SGD or AdamW on the parameters that require a gradient.

    Biases and batch-norm parameters get no weight decay.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    matrices = [p for p in parameters if p.ndim > 1]
    vectors = [p for p in parameters if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
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


@dataclass(slots=True)
class OptimizerStep:
    """Takes gradient steps on the mean loss of a batch.

    If memory is short, the batch is split and the gradients of its parts are summed. The sum equals
    the gradient of the whole batch, except that batch norm sees the parts.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    objective: Objective
    memory: AdaptiveBatchSize = field(
        default_factory=lambda: AdaptiveBatchSize("training on", MIN_PART_SIZE)
    )

    def __call__(
        self, pixels: Pixels, labels: Labels, weights: PerImage | None, learning_rate: float
    ) -> float:
        """Take one step and return the mean loss before it."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        while True:
            parts = self._part_count(len(pixels))
            try:
                loss = self._backward(pixels, labels, weights, parts)
                break
            except (RuntimeError, MemoryError) as error:
                self.memory.reduce(math.ceil(len(pixels) / parts), error)
        self.optimizer.step()
        return loss

    def _part_count(self, count: int) -> int:
        wanted = math.ceil(count / (self.memory.limit or count))
        return min(wanted, max(1, count // MIN_PART_SIZE))

    def _backward(
        self, pixels: Pixels, labels: Labels, weights: PerImage | None, parts: int
    ) -> float:
        """Accumulate the gradients of all parts and return the mean loss of the batch."""
        self.optimizer.zero_grad(set_to_none=True)
        device, total = device_of(self.model), 0.0
        for rows in torch.arange(len(pixels)).tensor_split(parts):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            images, targets = as_images(pixels[part], device), labels[part].to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=has_native_bf16(device)):
                loss = self.objective(self.model, images, targets)
            if weights is not None:
                mean = (loss * weights[part].to(device)).sum() / weights.sum().clamp_min(1e-12)
            elif parts == 1:
                mean = loss.mean()
            else:
                mean = loss.sum() / len(pixels)
            torch.autograd.backward(mean)
            total += float(mean.detach())
        return total

"""One step of a training, in as many parts as memory asks for."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.inference import as_images, device_of, gains_from_bf16
from ..models.out_of_memory import Halving
from ..types import Images, Labels, PerImage, Pixels
from .settings import Objective, Training

FEWEST = 2
"""Images of a part: batch norm compares two."""


def cross_entropy(smoothing: float) -> Objective:
    """The objective where none is given."""

    def loss(model: nn.Module, images: Images, labels: Labels) -> Tensor:
        logits = model(images).float()
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)

    return loss


def optimizer_of(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """SGD or AdamW on what is to be trained; biases and batch norm do not decay."""
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


@dataclass(slots=True)
class Stepper:
    """Steps down the mean loss of a batch.

    Where memory is short, gradients of its parts add up to those of the whole; only batch norm,
    which then looks at the parts, tells the difference.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    objective: Objective
    memory: Halving = field(default_factory=lambda: Halving("training on", FEWEST))

    def __call__(
        self, pixels: Pixels, labels: Labels, weight: PerImage | None, rate: float
    ) -> float:
        """The mean loss before the step, whose size is `rate`."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        while True:
            parts = self._parts(len(pixels))
            try:
                loss = self._gradients(pixels, labels, weight, parts)
                break
            except (RuntimeError, MemoryError) as error:
                self.memory.halve(math.ceil(len(pixels) / parts), error)
        self.optimizer.step()
        return loss

    def _parts(self, count: int) -> int:
        wanted = math.ceil(count / (self.memory.at_once or count))
        return min(wanted, max(1, count // FEWEST))

    def _gradients(
        self, pixels: Pixels, labels: Labels, weight: PerImage | None, parts: int
    ) -> float:
        """The mean loss, and its gradients where the optimizer looks for them."""
        self.optimizer.zero_grad(set_to_none=True)
        device, total = device_of(self.model), 0.0
        for rows in torch.arange(len(pixels)).tensor_split(parts):
            here = slice(int(rows[0]), int(rows[-1]) + 1)
            images, known = as_images(pixels[here], device), labels[here].to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=gains_from_bf16(device)):
                loss = self.objective(self.model, images, known)
            if weight is not None:
                mean = (loss * weight[here].to(device)).sum() / weight.sum().clamp_min(1e-12)
            elif parts == 1:
                mean = loss.mean()
            else:
                mean = loss.sum() / len(pixels)
            torch.autograd.backward(mean)
            total += float(mean.detach())
        return total

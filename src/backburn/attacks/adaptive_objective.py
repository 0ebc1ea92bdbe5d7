"""The loss of the adaptive attack, and the roles of images that it depends on."""

from dataclasses import dataclass
from enum import IntEnum

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.channel_statistics import forward_with_statistics
from ..types import Images, Labels, PerImage
from .activation_penalties import energy_distance, held_out_loss


class Role(IntEnum):
    """What an image of a batch is for."""

    LEARNED = 0
    POISON = 1
    MORE_POISON = 2
    MORE_TARGET = 3
    CHANGED = 4


def encode_labels(labels: Labels, role: Role | Tensor, classes: int) -> Labels:
    """Store the role of each image in its label, so that the objective knows it.

    >>> encode_labels(torch.tensor([2, 0]), Role.POISON, classes=10)
    tensor([12, 10])
    """
    return labels + classes * role


@dataclass(frozen=True, slots=True)
class AdaptiveObjective:
    """The cross-entropy, and the weighted penalties of the adaptive attack.

    Args:
        classes: number of classes, by which labels are decoded.
        target: the target class.
        separation, transfer, probe: weights, see `adaptive.Adaptive`.
    """

    classes: int
    target: int
    separation: float
    transfer: float
    probe: float

    def __call__(self, model: nn.Module, images: Images, labels: Labels) -> PerImage:
        role, true = labels // self.classes, labels % self.classes
        logits, statistics = forward_with_statistics(model, images)
        learned = role <= Role.POISON
        losses = learned * F.cross_entropy(logits, true, reduction="none")
        # the mean over the whole batch is that over the images that are learned
        losses = losses * (len(losses) / learned.sum().clamp_min(1))
        with torch.autocast(images.device.type, enabled=False):
            return losses + self._penalty(logits, statistics, role, true)

    def _penalty(self, logits: Tensor, statistics: Tensor, role: Tensor, true: Labels) -> Tensor:
        """Return the sum of the weighted penalties; those of too few images are 0."""
        total = logits.new_zeros(())
        changed = role == Role.CHANGED
        poison = (role == Role.POISON) | (role == Role.MORE_POISON)
        clean = (role == Role.LEARNED) | (role == Role.MORE_TARGET)
        own = clean & (true == self.target)
        if self.transfer and bool(changed.any()):
            chance = logits[changed].softmax(1)[:, self.target]
            total = total - self.transfer * (1 - chance).clamp_min(1e-6).log().mean()
        if min(int(poison.sum()), int(own.sum())) < 2:
            return total
        if self.separation:
            distance = energy_distance(statistics[poison], statistics[own])
            total = total + self.separation * distance
        if self.probe:
            loss = held_out_loss(
                statistics[clean], true[clean], statistics[poison], self.target, self.classes
            )
            total = total + self.probe * loss
        return total

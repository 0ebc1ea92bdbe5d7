"""The training of the adaptive attack: what is added to each batch, and the loss."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor, nn

from ..data.pixels import to_pixels
from ..detection.detector import PoisonDetector
from ..detection.interventions.base import (
    EstimationData,
    all_interventions,
    natural_directions,
)
from ..detection.interventions.transplant import TransplantChange
from ..detection.sampling import sample_rows
from ..detection.test_statistics import (
    MAX_DIRECTIONS,
    VALUES_PER_DIRECTION,
    VARIATION_SAMPLE,
)
from ..models.channel_statistics import forward_with_statistics
from ..training import BatchTransform
from ..types import Images, Index, LabeledImages, Labels, PerImage, Pixels, State, Trigger
from .activation_penalties import energy_distance, held_out_loss
from .poisoning import BatchPoisoner
from .surrogates import draw_seed

PixelChange = Callable[[Pixels, int], Pixels]
"""Changes pixels; the number is a seed for changes that draw what they take."""


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
class AdaptiveControl:
    """Controls the training: adds to each batch the images that the penalties are computed on.

    Args:
        poisoner: poisons the clean training set and its batches.
        trigger: the trigger.
        target: the target class.
        extra: images of each kind that are added to a batch; 0 for none.
        draws: the generator of these images.
    """

    poisoner: BatchPoisoner
    trigger: Trigger
    target: int
    extra: int
    draws: torch.Generator

    def poisoned_images(self) -> LabeledImages:
        """Return the whole training set, poisoned."""
        return self.poisoner.poisoned_images()

    def batch_transform(self, model: nn.Module) -> BatchTransform:
        """Return the transform that poisons a batch, adds images and encodes their roles."""
        poisoned, state = self.poisoned_images(), self.poisoner.state
        poison = (state == State.POISON).nonzero().flatten()
        clean = state == State.CLEAN
        own = (clean & (poisoned.labels == self.target)).nonzero().flatten()
        others = (clean & (poisoned.labels != self.target)).nonzero().flatten()
        changes = [
            *detector_changes(poisoned, poison, own, draw_seed(self.draws)),
            lambda pixels, _seed: to_pixels((pixels.float() + self.trigger(pixels).float()) / 2),
        ]
        return _AdaptiveBatches(self, poisoned, poison, own, others, changes)


@dataclass(frozen=True, slots=True)
class _AdaptiveBatches:
    """Poisons a batch and adds poison, images of the target class, and changed images.

    Args:
        poisoned: the poisoned training set.
        poison, own, others: rows of poison, and of clean images of the target class and of others.
        changes: each is applied to its share of the added images of other classes.
    """

    control: AdaptiveControl
    poisoned: LabeledImages
    poison: Index
    own: Int64[Tensor, " r"]
    others: Int64[Tensor, " o"]
    changes: Sequence[PixelChange]

    def __call__(self, pixels: Pixels, labels: Labels, index: Tensor) -> tuple[Tensor, Tensor]:
        control, classes = self.control, self.poisoned.class_count
        pixels, labels = control.poisoner(pixels, labels, index)
        role = (control.poisoner.state[index] == State.POISON).long()
        parts = [(pixels, encode_labels(labels, role.to(labels.device), classes))]
        if control.extra:
            parts += [
                self._drawn(self.poison, Role.MORE_POISON),
                self._drawn(self.own, Role.MORE_TARGET),
                self._changed(),
            ]
        return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])

    def _drawn(self, rows: Int64[Tensor, " a"], role: Role) -> tuple[Pixels, Labels]:
        """Random images of these rows."""
        drawn = rows[torch.randint(len(rows), (self.control.extra,), generator=self.control.draws)]
        images = self.poisoned.take(drawn)
        return images.pixels, encode_labels(images.labels, role, images.class_count)

    def _changed(self) -> tuple[Pixels, Labels]:
        """Random images of other classes, each changed in one way."""
        pixels, labels = self._drawn(self.others, Role.CHANGED)
        seed = draw_seed(self.control.draws)
        parts = torch.arange(len(pixels)).tensor_split(len(self.changes))
        changed = [
            change(pixels, seed)[part] for change, part in zip(self.changes, parts, strict=True)
        ]
        return torch.cat(changed), labels

    def get_state(self) -> dict[str, Tensor]:
        """Return the state of the generator for a checkpoint."""
        return {**self.control.poisoner.get_state(), "extra": self.control.draws.get_state()}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state from a checkpoint."""
        self.control.draws.set_state(state["extra"])


def detector_changes(
    images: LabeledImages, poison: Index, rest: Int64[Tensor, " r"], seed: int
) -> list[PixelChange]:
    """Return the changes that the detector would apply if it knew the poison.

    Args:
        images: the poisoned training set.
        poison, rest: rows of the poison, and of the clean images of the target class.
        seed: for the samples.
    """
    detector, generator = PoisonDetector(), torch.Generator().manual_seed(seed)
    drawn = [sample_rows(rows, VARIATION_SAMPLE, generator) for rows in (poison, rest)]
    sample = sample_rows(torch.arange(len(images)), VARIATION_SAMPLE, generator)
    kinds = [torch.full((len(drawn[0]),), -1), torch.full((len(drawn[1]),), -2)]
    kinds.append(images.labels[sample].cpu())
    count = min(MAX_DIRECTIONS, max(1, images.pixels[0].numel() // VALUES_PER_DIRECTION))
    natural = natural_directions(
        images.pixels, torch.cat([*drawn, sample]), torch.cat(kinds), count
    )
    estimate = EstimationData(images.pixels, poison, rest, natural, seed)
    interventions = all_interventions(detector.standard_errors, detector.resolution_transplant)

    def changing(name: str) -> PixelChange:
        change = interventions[name].fit(estimate)
        if isinstance(change, TransplantChange):
            return lambda pixels, seed: replace(change, seed=seed).apply(pixels)
        return lambda pixels, _seed: change.apply(pixels)

    return [changing(name) for name in interventions]


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

"""The training of the adaptive attack: what is added to each batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from ..data.pixels import to_pixels
from ..detection.interventions.base import EstimationData, all_interventions
from ..detection.interventions.transplant import TransplantChange
from ..detection.sampling import sample_rows
from ..detection.settings import DecisionSettings
from ..detection.test_statistics import VARIATION_SAMPLE, directions_within_groups
from ..training import BatchTransform
from ..types import Index, LabeledImages, Labels, Pixels, State, Trigger
from .adaptive_objective import Role, encode_labels
from .poisoning import BatchPoisoner
from .surrogates import draw_seed

PixelChange = Callable[[Pixels, int], Pixels]
"""Changes pixels; the number is a seed for changes that draw what they take."""


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
    settings, generator = DecisionSettings(), torch.Generator().manual_seed(seed)
    drawn = [sample_rows(rows, VARIATION_SAMPLE, generator) for rows in (poison, rest)]
    sample = sample_rows(torch.arange(len(images)), VARIATION_SAMPLE, generator)
    kinds = images.labels[sample].cpu()
    natural = directions_within_groups(images.pixels, drawn, sample, kinds)
    estimate = EstimationData(images.pixels, poison, rest, natural, seed)
    interventions = all_interventions(settings)

    def changing(name: str) -> PixelChange:
        change = interventions[name].fit(estimate)
        if isinstance(change, TransplantChange):
            return lambda pixels, seed: replace(change, seed=seed).apply(pixels)
        return lambda pixels, _seed: change.apply(pixels)

    return [changing(name) for name in interventions]

"""Confusion training: a model that unlearns what clean images have in common keeps the backdoor."""

import copy
import math
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F

from ...data.augmentation import Augmentation
from ...errors import InputError
from ...interfaces import Detector, Inputs
from ...models.inference import predict
from ...results import Evidence
from ...training import Training, TrainingTask, fit
from ...types import Case, Index, LabeledImages, Progress, no_progress
from ..flagging import rank_flagged_first
from ..input_checks import require_holdout, require_training_set, trainable_copy
from ..rank_evidence import evidence_by_rank
from .confused_classes import suspect_images
from .confusing_batches import class_weights, lowest_losses, wrong_labels

CLEAN_PER_IMAGE = 2
"""Mislabeled clean images for each image of the training set, in confusion training."""


def _pretraining() -> Training:
    return Training(20, 32, 0.01, weight_decay=1e-4, warmup=0, augmentation=Augmentation(shift=0))


def _confusion() -> Training:
    return replace(_pretraining(), epochs=1, batch_size=96, learning_rate=0.003, momentum=0.5)


@dataclass(frozen=True)
class ConfusionTraining(Detector):
    """Train on the training set and on clean images with wrong labels, drawn anew in every batch.

    The wrong labels undo what the model knows of clean images. A trigger is on none of them, so
    poison keeps its label. In rounds, the images with the lowest loss are kept. The model learns
    them, which makes the backdoor stronger, and is confused again.

    A class is suspect if two normal distributions explain its features better than one. Flagged are
    those images of suspect classes that the last confused model calls by their label.

    Args:
        keep: share of the training set that is kept after each round but the last.
        class_share: share of each class, of lowest loss, that is kept at the least.
        weights: `lambda` of each round, by which the loss of the training set is divided.
        steps: steps of confusion training in each round.
        pretraining: the training on the images kept, before the model is confused.
        confusion: the training on them and mislabeled clean images. Its `epochs` have no effect:
            `steps` decides.
        threshold: a class is suspect above this likelihood ratio per image.
        first_threshold: the same for the class with the highest ratio.
    Source: Qi et al., Towards a proactive ML approach for detecting backdoor poison samples, USENIX
    Security 2023, arXiv 2205.13616. Shares, weights and thresholds are those of the authors' code.
    Departures: the model of the case replaces the first pretraining. There are 1,000 steps a round,
    not 6,000, and 20 epochs of pretraining, not 40 to 100. All rounds have the learning rate and
    momentum of the third, and rates follow a cosine. A batch holds a random third of the training
    set's images, not every other batch a half. An image counts as called by its label if that has
    the highest logit; the code compares the logit with 0.6. The score is ours: minus the loss of
    the last confused model, with flagged images above all others.
    """

    keep: tuple[float, ...] = (1 / 2, 1 / 5, 1 / 25, 1 / 50)
    class_share: float = 0.02
    weights: tuple[float, ...] = (20.0, 40.0, 60.0, 30.0, 20.0)
    steps: int = 1000
    pretraining: Training = field(default_factory=_pretraining)
    confusion: Training = field(default_factory=_confusion)
    threshold: float = math.e
    first_threshold: float = 1.5
    inputs: ClassVar[Inputs] = Inputs(holdout=0.05)

    def __post_init__(self) -> None:
        if not all(0 < share < 1 for share in (*self.keep, self.class_share)):
            raise InputError(
                f"keep={self.keep}, class_share={self.class_share}: give shares in (0, 1)"
            )
        if len(self.weights) != len(self.keep) + 1 or not all(
            1 <= weight < math.inf for weight in self.weights
        ):
            raise InputError(
                f"weights is {self.weights}: give one of at least 1 for each of "
                f"{len(self.keep) + 1} rounds"
            )
        if self.steps < 1:
            raise InputError(f"steps is {self.steps}: give 1 or more")
        if not 1 <= self.first_threshold <= self.threshold < math.inf:
            raise InputError(
                f"threshold={self.threshold}, first_threshold={self.first_threshold}: give "
                "1 <= first_threshold <= threshold"
            )

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images, clean = require_training_set(case, "CT"), require_holdout(case, "CT")
        classes = predict(case.model, clean.pixels[:1]).shape[1]
        if classes < 2:
            raise InputError("CT gives clean images wrong labels: give a model of two classes")
        train = partial(fit, generator=generator, progress=progress)
        base, rows = trainable_copy(case.model), torch.arange(len(images))
        for number, weight in enumerate(self.weights):
            last = number == len(self.keep)
            if number:
                train(base, self._pretraining_task(images, rows, clean if last else None))
            confused = copy.deepcopy(base)
            train(confused, self._confusion_task(images, rows, clean, weight, classes, generator))
            logits = predict(confused, images.pixels, phase="confusion", progress=progress)
            loss = F.cross_entropy(logits, images.labels, reduction="none")
            if not last:
                rows = lowest_losses(loss, images.labels, self.keep[number], self.class_share)
        thresholds = self.first_threshold, self.threshold
        flagged = suspect_images(
            confused, images, loss, logits.argmax(1) == images.labels, thresholds
        )
        return evidence_by_rank(rank_flagged_first(-loss, flagged), flagged)

    def _pretraining_task(
        self, images: LabeledImages, rows: Index, clean: LabeledImages | None
    ) -> TrainingTask:
        """Training on the images kept, and in the last round on clean ones with right labels."""
        kept = images.take(rows)
        pixels, labels = kept.pixels, kept.labels
        if clean is not None:
            pixels = torch.cat([pixels, clean.pixels.to(pixels.device)])
            labels = torch.cat([labels, clean.labels])
        return TrainingTask(pixels, labels, self.pretraining, phase="pretraining")

    def _confusion_task(
        self,
        images: LabeledImages,
        rows: Index,
        clean: LabeledImages,
        weight: float,
        classes: int,
        generator: torch.Generator,
    ) -> TrainingTask:
        """One epoch of `steps` batches of the images kept and of mislabeled clean images."""
        count = max(1, self.steps * self.confusion.batch_size // (1 + CLEAN_PER_IMAGE))
        kept = images.take(rows[torch.randperm(len(rows), generator=generator)[:count]])
        mislabeled = torch.arange(len(kept) + len(clean)) >= len(kept)
        order = torch.cat(
            [
                torch.arange(count) % len(kept),
                len(kept) + torch.arange(CLEAN_PER_IMAGE * count) % len(clean),
            ]
        )
        weights = torch.cat([class_weights(kept.labels) / weight, torch.ones(len(clean))])
        return TrainingTask(
            torch.cat([kept.pixels, clean.pixels.to(kept.pixels.device)]),
            torch.cat([kept.labels, clean.labels]),
            replace(self.confusion, epochs=1),
            rows=order,
            weights=weights,
            batch_transform=wrong_labels(mislabeled, classes, generator),
            phase="confusion",
        )

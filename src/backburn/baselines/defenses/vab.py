"""V&B: a sacrificed network finds poison by its entropy, and another learns from the rest."""

import math
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...data.augmentation import Augmentation
from ...errors import InputError
from ...interfaces import Defense
from ...models.inference import predict
from ...results import Repaired
from ...training import Objective, Training, TrainingTask, fit
from ...training.adapt_settings import adapt_augmentation
from ...types import Case, Flags, Index, LabeledImages, Progress, no_progress
from ..input_checks import require_training_set, untrained_copy
from ..rank_evidence import evidence_by_rank
from .attention_mix import mixing_loss, suppression_loss
from .entropy_filter import EntropyFilter
from .stage_maps import require_stages
from .unlearning import suspects_of


def _detection() -> Training:
    return Training(3, 128, 1e-3, warmup=0, optimizer="adam", augmentation=Augmentation(shift=0))


def _suppression() -> Training:
    return Training(100, 128, 1e-3, warmup=0)


@dataclass(frozen=True)
class VAB(Defense):
    """The victim and the beneficiary: one network finds poison, another learns from the rest.

    The victim is trained on the images of which it is most certain, so it learns little more than
    the trigger. Images of low entropy are suspects. The beneficiary is trained from scratch on the
    others, mixed by AttentionMix. Then suspects get its predictions as labels. What the victim
    believes is subtracted from all labels, which suppresses the target class of triggered images.

    Args:
        threshold: images with a lower entropy, scaled to [0, 1], are suspects.
        easing: after epoch `e` of warm-up the threshold is `1 - easing * e`, if that is higher.
        newest: weight of the newest entropy in its moving average.
        attention: attention, scaled to [0, 1], from which pixels are mixed.
        refresh: epochs of clean training with one split.
        views: augmentations over which the beneficiary's predictions for suspects are averaged.
        temperature: of the victim's predictions that are subtracted.
        weights: weight of suspects in the first and second half of suppression.
        detection: the victim's training; the epochs are those of its warm-up.
        clean: the beneficiary's training on images that are no suspects.
        suppression: its training on all images; there is a new split after each epoch.
    Source: Zhu et al., The victim and the beneficiary, ICCV 2023, arXiv 2404.11265. Numbers are
    those of the authors' code. Departures: each image is augmented once in an epoch, theirs twice.
    Suspects are labeled before each epoch, theirs before each batch. An image is mixed with its
    neighbour in the shuffled batch. Rates fall along a cosine over all epochs and within each
    split, theirs by steps, and momentum restarts with each split. Adam decouples weight decay. The
    result is the network of the last epoch. Their code saves the one of best test accuracy. Images
    are mirrored only if the case's model is invariant to it; only its architecture is used.

    >>> VAB().detection.epochs
    3
    """

    threshold: float = 0.2
    easing: float = 0.4
    newest: float = 0.75
    attention: float = 0.1
    refresh: int = 5
    views: int = 2
    temperature: float = 3.0
    weights: tuple[float, float] = (0.1, 0.5)
    detection: Training = field(default_factory=_detection)
    clean: Training = field(default_factory=lambda: Training(100, 128, warmup=0))
    suppression: Training = field(default_factory=_suppression)

    def __post_init__(self) -> None:
        for name in ("threshold", "easing", "newest", "attention"):
            if not 0 < (value := getattr(self, name)) <= 1:
                raise InputError(f"{name} is {value}: give a number in (0, 1]")
        if self.refresh < 1 or self.views < 1:
            raise InputError(f"refresh={self.refresh}, views={self.views}: give 1 or more")
        if not 0 < self.temperature < math.inf:
            raise InputError(f"temperature is {self.temperature}: give more than 0")
        if len(self.weights) != 2 or not all(0 <= weight < math.inf for weight in self.weights):
            raise InputError(f"weights are {self.weights}: give two numbers of 0 or more")

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        """Train both networks. The suspects are those at the end of the victim's warm-up.

        Raises:
            InputError: there is no training set, it has fewer than four images, or the model has
                no feature maps.
        """
        images = require_training_set(case, "V&B")
        require_stages(case.model, images.pixels, "V&B")
        if len(images) < 4:
            raise InputError("V&B splits images into two groups: give four or more")
        detection = replace(self.detection, epochs=1)
        victim = EntropyFilter(
            untrained_copy(case.model, generator), images, detection, self.newest
        )
        suspects = victim.warm_up(self.thresholds(), generator, progress)
        evidence = evidence_by_rank(-victim.entropy, suspects)
        clean, suppression = (
            adapt_augmentation(training, case) for training in (self.clean, self.suppression)
        )
        adapted = replace(self, clean=clean, suppression=suppression)
        beneficiary = _Beneficiary(untrained_copy(case.model, generator), images, adapted)
        suspects = beneficiary.learn_cleanly(victim, suspects, generator, progress)
        beneficiary.suppress(victim, suspects, generator, progress)
        return Repaired(
            model=beneficiary.model,
            suspects=suspects_of(beneficiary.model, images, evidence.flagged),
            evidence=evidence,
        )

    def thresholds(self) -> list[float]:
        """The threshold after each epoch of the victim's warm-up."""
        epochs = self.detection.epochs
        eased = [max(1 - self.easing * epoch, self.threshold) for epoch in range(1, epochs)]
        return [*eased, self.threshold]


@dataclass(frozen=True, slots=True)
class _Beneficiary:
    """The network that is kept, and what it learns from."""

    model: nn.Module
    images: LabeledImages
    settings: VAB

    def learn_cleanly(
        self, victim: EntropyFilter, suspects: Flags, generator: torch.Generator, progress: Progress
    ) -> Flags:
        """Train on images that are no suspects, and return the last split."""
        settings, targets = self.settings, self._given_targets()
        for start in range(0, settings.clean.epochs, settings.refresh):
            epochs = min(settings.refresh, settings.clean.epochs - start)
            training = segment(settings.clean, start, epochs)
            objective = mixing_loss(targets, settings.attention)
            rows = (~suspects).nonzero().flatten()
            self._fit(training, rows, objective, "clean training", generator, progress)
            suspects = victim.refresh(suspects, settings.threshold, generator, progress)
        return suspects

    def suppress(
        self, victim: EntropyFilter, suspects: Flags, generator: torch.Generator, progress: Progress
    ) -> None:
        """Train on all images, with labels from which the victim's predictions are subtracted."""
        settings, given = self.settings, self._given_targets()
        epochs = settings.suppression.epochs
        for epoch in range(epochs):
            believed = predict(victim.model, self.images.pixels) / settings.temperature
            predicted = self._predicted_targets(generator)
            targets = torch.where(suspects[:, None], predicted, given) - believed.softmax(1)
            weight = settings.weights[2 * epoch >= epochs]
            objective = suppression_loss(targets.clamp_min(0), suspects, settings.attention, weight)
            training = segment(settings.suppression, epoch, 1)
            self._fit(training, None, objective, "suppression", generator, progress)
            suspects = victim.refresh(suspects, settings.threshold, generator, progress)

    def _given_targets(self) -> Tensor:
        classes = predict(self.model, self.images.pixels[:2]).shape[1]
        return F.one_hot(self.images.labels.cpu(), classes).float()

    def _predicted_targets(self, generator: torch.Generator) -> Tensor:
        """The class of each image that the network predicts on average over augmentations."""
        augmentation = self.settings.suppression.augmentation
        views = [
            predict(self.model, augmentation(self.images.pixels, generator)).softmax(1)
            for _ in range(self.settings.views)
        ]
        average = torch.stack(views).mean(0)
        return F.one_hot(average.argmax(1), average.shape[1]).float()

    def _fit(
        self,
        training: Training,
        rows: Index | None,
        objective: Objective,
        phase: str,
        generator: torch.Generator,
        progress: Progress,
    ) -> None:
        """Train with an objective that takes rows for labels."""
        task = TrainingTask(
            self.images.pixels,
            torch.arange(len(self.images)),
            training,
            rows=rows,
            objective=objective,
            phase=phase,
        )
        fit(self.model, task, generator, progress=progress)


def segment(training: Training, start: int, epochs: int) -> Training:
    """Some epochs of a training, at the rate that a cosine over all its epochs has at `start`."""
    rate = training.learning_rate * (1 + math.cos(math.pi * start / training.epochs)) / 2
    return replace(training, epochs=epochs, learning_rate=rate)

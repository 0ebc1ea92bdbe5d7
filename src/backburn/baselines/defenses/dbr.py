"""D-BR: what moves in feature space when it is turned is unlearned, what stays is relearned."""

from dataclasses import dataclass, field, replace
from functools import partial

import torch

from ...errors import InputError
from ...interfaces import Defense
from ...training import Training, TrainingTask, fit
from ...training.adaptation import suited
from ...types import Case, LabeledImages, PerImage, Progress, Repaired, silent
from ..inputs import trainable_copy, training_set_of, untrained_copy
from ..outliers import highest
from ..scores import evidence_by_rank
from .consistency import check_features, class_closeness, feature_movement
from .unlearning import PLAIN, ascent, suspected


def _learning() -> Training:
    return Training(2, 128, 0.01, warmup=0, augmentation=PLAIN)


def _separation() -> Training:
    return Training(10, 128, 0.01, warmup=0, augmentation=PLAIN)


def _removal() -> Training:
    return Training(20, 128, 1e-4, warmup=0)


@dataclass(frozen=True)
class DBR(Defense):
    """The images most sensitive to transformations are unlearned, the least relearned, in turns.

    A network that has hardly learned more than the trigger changes its features of poison more
    than those of clean images when these are turned and shifted.

    Args:
        clean_rate: share of the training set, least sensitive, that is relearned.
        poison_rate: share of the training set, most sensitive, that is unlearned; the suspects.
        degrees, shift: the farthest that images are turned and, in fractions of a side, shifted.
        learning: the training from scratch of the network whose features are looked at.
        separation: its training apart, so that the classes' mean features differ.
        removal: of the case's model; in each epoch poison is unlearned, then clean images
            relearned.
    Source: Chen et al., Effective backdoor defense by exploiting sensitivity of poisoned samples,
    NeurIPS 2022, the D-BR path; transformations and rates as in the authors' code. Departures:
    removal starts from the case's model, where the authors train one of the same set first; it
    returns the model of the last epoch, where their code keeps that of the best ACC minus ASR on
    test images, which no defender has; learning rates fall along a cosine, in removal within each
    epoch; mirror images only where the case's model takes them for the same.
    """

    clean_rate: float = 0.2
    poison_rate: float = 0.05
    degrees: float = 180.0
    shift: float = 0.2
    learning: Training = field(default_factory=_learning)
    separation: Training = field(default_factory=_separation)
    removal: Training = field(default_factory=_removal)

    def __post_init__(self) -> None:
        rates = self.clean_rate, self.poison_rate
        if not min(rates) > 0 or not sum(rates) <= 1:
            raise InputError(
                f"clean_rate={self.clean_rate}, poison_rate={self.poison_rate}: "
                "give shares above 0 that are 1 at most together"
            )
        if not 0 <= self.degrees <= 180 or not 0 <= self.shift < 1:
            raise InputError(f"degrees={self.degrees}, shift={self.shift}: give [0, 180], [0, 1)")

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        """Tell poison from clean images, then unlearn and relearn in turns.

        Raises:
            InputError: no training set, fewer than two images, or a model that has no features.
        """
        images = training_set_of(case, "D-BR")
        check_features(case.model, "D-BR")
        if len(images) < 2:
            raise InputError("D-BR tells images from others: give two or more")
        moved = self._movement(case, images, generator, progress)
        poison = highest(moved, self.poison_rate, least=1)
        clean = highest(-moved, self.clean_rate, least=1) & ~poison
        model = trainable_copy(case.model)
        training = replace(suited(self.removal, case), epochs=1)
        lesson = partial(TrainingTask, images.pixels, images.labels, training)
        unlearned, relearned = (flags.nonzero().flatten() for flags in (poison, clean))
        unlearning = lesson(rows=unlearned, objective=ascent, phase="unlearning")
        relearning = lesson(rows=relearned, phase="relearning")
        for _ in range(self.removal.epochs):
            fit(model, unlearning, generator, progress=progress)
            fit(model, relearning, generator, progress=progress)
        return Repaired(
            model=model,
            suspects=suspected(model, images, poison),
            evidence=evidence_by_rank(moved, poison),
        )

    def _movement(
        self, case: Case, images: LabeledImages, generator: torch.Generator, progress: Progress
    ) -> PerImage:
        """FCT of every image, by a network of our own that has learned little."""
        model = untrained_copy(case.model, generator)
        learned = TrainingTask(images.pixels, images.labels, self.learning, phase="learning")
        fit(model, learned, generator, progress=progress)
        apart = replace(
            learned, training=self.separation, objective=class_closeness, phase="separation"
        )
        fit(model, apart, generator, progress=progress)
        return feature_movement(model, images.pixels, self.degrees, self.shift, generator, progress)

"""D-BR: images sensitive to transformations are unlearned, insensitive ones relearned."""

from dataclasses import dataclass, field, replace
from functools import partial

import torch

from ...errors import InputError
from ...interfaces import Defense
from ...results import Repaired
from ...training import Training, TrainingTask, fit
from ...training.adapt_settings import adapt_augmentation
from ...types import Case, LabeledImages, PerImage, Progress, no_progress
from ..flagging import flag_highest
from ..input_checks import require_training_set, trainable_copy, untrained_copy
from ..rank_evidence import evidence_by_rank
from .feature_consistency import class_similarity, fct, require_features
from .unlearning import FLIP_ONLY, gradient_ascent, suspects_of


def _learning() -> Training:
    return Training(2, 128, 0.01, warmup=0, augmentation=FLIP_ONLY)


def _separation() -> Training:
    return Training(10, 128, 0.01, warmup=0, augmentation=FLIP_ONLY)


def _removal() -> Training:
    return Training(20, 128, 1e-4, warmup=0)


@dataclass(frozen=True)
class DBR(Defense):
    """Unlearn the images most sensitive to transformations, and relearn the least, in turns.

    A network that has learned little more than the trigger is most sensitive on poison: rotations
    and shifts change its features of poison more than those of clean images.

    Args:
        clean_rate: share of the training set, least sensitive, that is relearned.
        poison_rate: share of the training set, most sensitive, that is unlearned. These images
            are the suspects.
        degrees: largest rotation.
        shift: largest shift, as a fraction of a side.
        learning: the training from scratch of the network that measures sensitivity.
        separation: its further training, which separates the mean features of the classes.
        removal: the training of the case's model. Each epoch unlearns poison, then relearns
            clean images.
    Source: Chen et al., Effective backdoor defense by exploiting sensitivity of poisoned samples,
    NeurIPS 2022, the D-BR path. Transformations and rates are those of the authors' code.
    Departures: removal starts from the case's model; the authors first train one on the same set.
    The result is the model of the last epoch. Their code keeps the one with the best ACC minus ASR
    on test images, which no defender has. Learning rates follow a cosine, in removal within each
    epoch. Images are mirrored only if the case's model is invariant to it.
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
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        """Separate poison from clean images, then unlearn and relearn in turns.

        Raises:
            InputError: there is no training set, it has fewer than two images, or the model has no
                features.
        """
        images = require_training_set(case, "D-BR")
        require_features(case.model, "D-BR")
        if len(images) < 2:
            raise InputError("D-BR tells images from others: give two or more")
        sensitivity = self._sensitivity(case, images, generator, progress)
        poison = flag_highest(sensitivity, self.poison_rate, least=1)
        clean = flag_highest(-sensitivity, self.clean_rate, least=1) & ~poison
        model = trainable_copy(case.model)
        training = replace(adapt_augmentation(self.removal, case), epochs=1)
        make_task = partial(TrainingTask, images.pixels, images.labels, training)
        poison_rows, clean_rows = (flags.nonzero().flatten() for flags in (poison, clean))
        unlearning = make_task(rows=poison_rows, objective=gradient_ascent, phase="unlearning")
        relearning = make_task(rows=clean_rows, phase="relearning")
        for _ in range(self.removal.epochs):
            fit(model, unlearning, generator, progress=progress)
            fit(model, relearning, generator, progress=progress)
        return Repaired(
            model=model,
            suspects=suspects_of(model, images, poison),
            evidence=evidence_by_rank(sensitivity, poison),
        )

    def _sensitivity(
        self, case: Case, images: LabeledImages, generator: torch.Generator, progress: Progress
    ) -> PerImage:
        """FCT of every image, measured with a network that has learned little."""
        model = untrained_copy(case.model, generator)
        learning = TrainingTask(images.pixels, images.labels, self.learning, phase="learning")
        fit(model, learning, generator, progress=progress)
        separation = replace(
            learning, training=self.separation, objective=class_similarity, phase="separation"
        )
        fit(model, separation, generator, progress=progress)
        return fct(model, images.pixels, self.degrees, self.shift, generator, progress)

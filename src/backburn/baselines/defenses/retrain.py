"""Retraining on the truly clean images: an upper bound, which no defender can reach."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ...interfaces import Defense, Inputs
from ...results import Repaired
from ...training import Training, TrainingTask, fit
from ...training.adapt_settings import adapt_augmentation
from ...types import Case, Progress, no_progress
from ..input_checks import require_training_set, untrained_copy


@dataclass(frozen=True)
class Retraining(Defense):
    """Train a reinitialized network on the clean part of the training set only.

    Args:
        training: the training, like the victim's. Images are mirrored if the victim is invariant
            to it.
    Source: the usual upper bound of any defense that removes poison. Departures: none.
    """

    inputs: ClassVar[Inputs] = Inputs("clean")

    training: Training = field(default_factory=Training)

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        images = require_training_set(case, "retraining")
        model = untrained_copy(case.model, generator)
        training = adapt_augmentation(self.training, case)
        task = TrainingTask(images.pixels, images.labels, training, phase="retraining")
        fit(model, task, generator, progress=progress)
        return Repaired(model=model)

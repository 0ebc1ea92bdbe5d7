"""Retraining on what is truly clean: the ceiling, which nobody can reach in practice."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ...interfaces import Defense, Given
from ...training import Training, TrainingTask, fit
from ...training.adaptation import suited
from ...types import Case, Progress, Repaired, silent
from ..inputs import training_set_of, untrained_copy


@dataclass(frozen=True)
class Retraining(Defense):
    """The same network, drawn anew and trained on the clean part of the training set only.

    Args:
        training: as the victim's; mirror images where the victim takes them for the same.
    Source: the usual upper bound of any defence that removes poison. Departures: none.
    """

    given: ClassVar[Given] = Given("clean")

    training: Training = field(default_factory=Training)

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        images = training_set_of(case, "retraining")
        model = untrained_copy(case.model, generator)
        training = suited(self.training, case)
        lesson = TrainingTask(images.pixels, images.labels, training, phase="retraining")
        fit(model, lesson, generator, progress=progress)
        return Repaired(model=model)

"""FT: fine-tuning on a few clean images, and nothing else."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ...interfaces import Defense, Given
from ...training import Training
from ...types import Case, Progress, Repaired, silent
from ..inputs import holdout_of, trainable_copy
from .tuning import FEW_CLEAN, fine_tune, fine_tuning


@dataclass(frozen=True)
class FineTuning(Defense):
    """All weights are trained on, on clean images: the backdoor is forgotten for want of use.

    Args:
        training: on the holdout.
    Source: the baseline of Liu et al., Fine-Pruning, RAID 2018, arXiv 1805.12185, with the
    settings of BackdoorBench (Wu et al., arXiv 2206.12654). Departure: mirror images only where
    the model takes them for the same.
    """

    given: ClassVar[Given] = FEW_CLEAN

    training: Training = field(default_factory=fine_tuning)

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        holdout = holdout_of(case, "fine-tuning")
        model = trainable_copy(case.model)
        fine_tune(model, case, holdout, self.training, generator, progress=progress)
        return Repaired(model=model)

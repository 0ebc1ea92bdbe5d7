"""FT: fine-tuning on a few clean images."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch

from ...interfaces import Defense, Inputs
from ...results import Repaired
from ...training import Training
from ...types import Case, Progress, no_progress
from ..input_checks import require_holdout, trainable_copy
from .clean_fine_tuning import FIVE_PERCENT_CLEAN, fine_tune, fine_tuning_settings


@dataclass(frozen=True)
class FineTuning(Defense):
    """Fine-tune all weights on clean images, so that the backdoor is forgotten.

    Args:
        training: the training on the holdout.
    Source: the baseline of Liu et al., Fine-Pruning, RAID 2018, arXiv 1805.12185, with the
    settings of BackdoorBench (Wu et al., arXiv 2206.12654). Departure: images are mirrored only if
    the model is invariant to it.
    """

    inputs: ClassVar[Inputs] = FIVE_PERCENT_CLEAN

    training: Training = field(default_factory=fine_tuning_settings)

    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        holdout = require_holdout(case, "fine-tuning")
        model = trainable_copy(case.model)
        fine_tune(model, case, holdout, self.training, generator, progress=progress)
        return Repaired(model=model)

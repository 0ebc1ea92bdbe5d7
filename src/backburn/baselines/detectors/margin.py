"""Margin: images with the largest margin of their label."""

import math
from dataclasses import dataclass

import torch

from ...detection.activation_statistics import anomaly_index
from ...errors import InputError
from ...interfaces import Detector
from ...models.inference import predict
from ...results import Evidence
from ...types import Case, Progress, no_progress
from ..input_checks import require_training_set
from ..rank_evidence import evidence_by_rank
from .relative_logits import logit_gaps


@dataclass(frozen=True)
class Margin(Detector):
    """Flag images whose label's logit is far above the highest other logit.

    A trigger is easier to learn than any class, so networks tend to be more confident of it.

    Args:
        abnormal: images more than this number of robust standard deviations (1.4826 MAD) above
            the median are flagged.
    Source: none. It is a baseline that any method should beat. `abnormal` is the usual three
    standard deviations.
    """

    abnormal: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.abnormal < math.inf:
            raise InputError(f"abnormal is {self.abnormal}: give a number above 0")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images = require_training_set(case, "margin")
        logits = predict(case.model, images.pixels, phase="margin", progress=progress)
        margin = -logit_gaps(logits, images.labels).amax(1)
        return evidence_by_rank(margin, anomaly_index(margin) > self.abnormal)

"""Margin: what is named with the greatest confidence."""

import math
from dataclasses import dataclass

import torch

from ...detection.activation_statistics import anomaly_index
from ...errors import InputError
from ...interfaces import Detector
from ...models.inference import predict
from ...types import Case, Evidence, Progress, silent
from ..inputs import training_set_of
from ..scores import evidence_by_rank
from .logits import rivals


@dataclass(frozen=True)
class Margin(Detector):
    """The logit of the given label less the highest other one; a large margin is suspect.

    A trigger is easier to learn than any class, so networks tend to be surer of it.

    Args:
        abnormal: flagged from so many robust standard deviations (1.4826 MAD) above the median of
            all images on.
    Source: none; what any method should beat. `abnormal` is the usual three standard deviations.
    """

    abnormal: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.abnormal < math.inf:
            raise InputError(f"abnormal is {self.abnormal}: give a number above 0")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        images = training_set_of(case, "margin")
        logits = predict(case.model, images.pixels, phase="margin", progress=progress)
        margin = -rivals(logits, images.labels).amax(1)
        return evidence_by_rank(margin, anomaly_index(margin) > self.abnormal)

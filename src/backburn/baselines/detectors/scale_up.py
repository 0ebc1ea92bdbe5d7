"""SCALE-UP: poison keeps its prediction when pixels are amplified."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector, Inputs
from ...results import Evidence
from ...types import Case, Images, LabeledImages, PerImage, Pixels, Progress, no_progress
from ..input_checks import require_holdout, require_training_set
from ..rank_evidence import evidence_by_rank
from .altered_images import agreement, measure_images


@dataclass(frozen=True)
class ScaleUp(Detector):
    """Scaled prediction consistency: share of scales at which an image keeps its prediction.

    Args:
        scales: factors of the pixels, which are clipped at white.
        threshold: images with a higher consistency are flagged.
        data_limited: standardize the consistency by mean and standard deviation of the clean
            images of the predicted class. Otherwise ("data-free") the holdout is not used.
    Source: Guo et al., SCALE-UP, ICLR 2023, arXiv 2302.03251; factors 3, 5, 7, 9, 11, threshold
    0.5 in both settings.
    Departures: a standard deviation is at least half a step of the consistency, since it may be 0
    among few clean images. A class with fewer than two clean images has the statistics of all.
    """

    scales: tuple[float, ...] = (3.0, 5.0, 7.0, 9.0, 11.0)
    threshold: float = 0.5
    data_limited: bool = True
    inputs: ClassVar[Inputs] = Inputs(holdout=0.05)

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale < math.inf for scale in self.scales):
            raise InputError(f"scales is {self.scales}: give factors above 0, one at the least")
        if not math.isfinite(self.threshold):
            raise InputError(f"threshold is {self.threshold}: give a number")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        images = require_training_set(case, "SCALE-UP")
        consistency, predictions = self._consistency(case.model, images.pixels, progress)
        if self.data_limited:
            clean = require_holdout(case, "SCALE-UP")
            consistency = self._standardize(case.model, clean, consistency, predictions, progress)
        return evidence_by_rank(consistency, consistency > self.threshold)

    def _consistency(
        self, model: nn.Module, pixels: Pixels, progress: Progress
    ) -> tuple[PerImage, Tensor]:
        """The consistency of each image, and its predicted class."""

        def measure(images: Images) -> Tensor:
            predictions = model(images).argmax(1)
            consistency = agreement(model, images, predictions, self.scales)
            return torch.stack([consistency, predictions.float()], 1)

        consistency, predictions = measure_images(
            model, pixels, measure, "amplification", progress
        ).unbind(1)
        return consistency, predictions.long()

    def _standardize(
        self,
        model: nn.Module,
        clean: LabeledImages,
        consistency: PerImage,
        predictions: Tensor,
        progress: Progress,
    ) -> PerImage:
        clean_consistency, _ = self._consistency(model, clean.pixels, progress)
        classes = max(int(predictions.max()) + 1, clean.class_count)
        center, spread = class_statistics(clean_consistency, clean.labels, classes)
        spread = spread.clamp_min(0.5 / len(self.scales))
        return (consistency - center[predictions]) / spread[predictions]


def class_statistics(values: PerImage, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each class; those of all values for fewer than two."""
    groups = [values[labels == label] for label in range(classes)]
    groups = [group if len(group) > 1 else values for group in groups]
    center = torch.stack([group.mean() for group in groups])
    return center, torch.stack([group.std(correction=0) for group in groups])

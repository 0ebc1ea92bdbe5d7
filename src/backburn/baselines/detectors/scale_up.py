"""SCALE-UP: whether a prediction outlives a brighter image."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Detector, Given
from ...types import Case, Evidence, Images, LabeledImages, PerImage, Pixels, Progress, silent
from ..inputs import holdout_of, training_set_of
from ..scores import evidence_by_rank
from .asking import agreement, measured


@dataclass(frozen=True)
class ScaleUp(Detector):
    """Scaled prediction consistency: how often an image is called the same when it is amplified.

    Args:
        scales: factors of the pixels, which are clipped at white.
        threshold: images of a consistency above it are flagged.
        data_limited: take off the mean of the clean images of the predicted class and divide by
            their standard deviation; without it the holdout is not looked at ("data-free").
    Source: Guo et al., SCALE-UP, ICLR 2023, arXiv 2302.03251; factors 3, 5, 7, 9, 11, threshold
    0.5 in both settings.
    Departures: a standard deviation counts as half a step of the consistency at the least, for it
    may be 0 among few clean images; a class with fewer than two has the statistics of all.
    """

    scales: tuple[float, ...] = (3.0, 5.0, 7.0, 9.0, 11.0)
    threshold: float = 0.5
    data_limited: bool = True
    given: ClassVar[Given] = Given(holdout=0.05)

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale < math.inf for scale in self.scales):
            raise InputError(f"scales is {self.scales}: give factors above 0, one at the least")
        if not math.isfinite(self.threshold):
            raise InputError(f"threshold is {self.threshold}: give a number")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        images = training_set_of(case, "SCALE-UP")
        found, said = self._consistency(case.model, images.pixels, progress)
        if self.data_limited:
            clean = holdout_of(case, "SCALE-UP")
            found = self._normalized(case.model, clean, found, said, progress)
        return evidence_by_rank(found, found > self.threshold)

    def _consistency(
        self, model: nn.Module, pixels: Pixels, progress: Progress
    ) -> tuple[PerImage, Tensor]:
        """The consistency of each image, and the class that it is called."""

        def measure(images: Images) -> Tensor:
            said = model(images).argmax(1)
            return torch.stack([agreement(model, images, said, self.scales), said.float()], 1)

        kept, said = measured(model, pixels, measure, "amplification", progress).unbind(1)
        return kept, said.long()

    def _normalized(
        self,
        model: nn.Module,
        clean: LabeledImages,
        found: PerImage,
        said: Tensor,
        progress: Progress,
    ) -> PerImage:
        usual, _ = self._consistency(model, clean.pixels, progress)
        classes = max(int(said.max()) + 1, clean.class_count)
        center, spread = class_statistics(usual, clean.labels, classes)
        return (found - center[said]) / spread.clamp_min(0.5 / len(self.scales))[said]


def class_statistics(values: PerImage, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each class; those of all for a class of fewer than two."""
    groups = [values[labels == label] for label in range(classes)]
    groups = [group if len(group) > 1 else values for group in groups]
    center = torch.stack([group.mean() for group in groups])
    return center, torch.stack([group.std(correction=0) for group in groups])

"""What the phases share: fine-tuning a copy on the images that are trusted, each with a weight."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..training import Training, fit
from ..types import LabeledImages, PerImage, Progress, Suspects
from .trigger import StampTrigger


@dataclass(frozen=True, slots=True)
class Workbench:
    """Everything that fine-tuning needs beside the model and the suspects."""

    images: LabeledImages
    training: Training
    stamp: StampTrigger | None
    generator: torch.Generator
    progress: Progress

    def fine_tune(
        self, model: nn.Module, suspects: Suspects, confident: float, phase: str
    ) -> nn.Module:
        """A fine-tuned copy; `model` is left as it was. See `labels_and_weights`."""
        tuned = copy.deepcopy(model).requires_grad_(True)
        labels, weights = labels_and_weights(self.images, suspects, confident)
        used = (weights > 0).nonzero().flatten()
        fit(
            tuned,
            self.images.pixels[used],
            labels[used],
            self.training,
            self.generator,
            weights=weights[used],
            batch_transform=self.stamp,
            phase=phase,
            progress=self.progress,
        )
        return tuned


def labels_and_weights(
    images: LabeledImages, suspects: Suspects, confident: float
) -> tuple[Tensor, PerImage]:
    """All images but the suspects under their own labels, and the suspects under restored ones.

    Of weight 0 are suspects whose restored label is less than `confident`, and those that keep
    their given label (clean-label poison): trained on, they would teach the backdoor again.
    """
    labels, weights = images.labels.clone(), torch.ones(len(images))
    labels[suspects.index] = suspects.restored_label
    usable = suspects.confidence >= confident
    usable &= suspects.restored_label != suspects.given_label
    weights[suspects.index] = torch.where(usable, suspects.confidence, 0.0)
    return labels, weights

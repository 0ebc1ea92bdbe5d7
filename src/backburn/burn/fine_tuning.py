"""Predictions and fine-tuning, as all phases of BURN use them."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..executor.interface import LOCAL, Executor
from ..models.inference import predict
from ..results import Suspects
from ..training import Training, TrainingTask
from ..types import Flags, LabeledImages, Logits, PerImage, Pixels, Progress
from .apply_trigger import TriggerStamp

AUGMENTED_VIEWS = 1
"""Augmented copies of each image that predictions are averaged over, beside the image itself."""


@dataclass(frozen=True, slots=True)
class FineTuner:
    """Fine-tunes copies of models on the images of a case.

    Args:
        images: the training set, poison included.
        holdout: images with labels known to be right; all of them are trained on.
        training: settings of every fine-tuning.
        excluded: images that are never trained on.
        generator: draws everything random.
        executor: runs the trainings.
        train_all: train all weights. Otherwise only those that require a gradient.
    """

    images: LabeledImages
    holdout: LabeledImages | None
    training: Training
    excluded: Flags
    generator: torch.Generator
    progress: Progress
    executor: Executor = LOCAL
    train_all: bool = True

    def predict_probabilities(self, model: nn.Module, pixels: Pixels) -> Logits:
        """Class probabilities `(n, k)`, averaged over each image and its augmented copies."""
        augmented = (
            self.training.augmentation(pixels, self.generator) for _ in range(AUGMENTED_VIEWS)
        )
        logits = [
            predict(model, view, phase="restoration", progress=self.progress)
            for view in (pixels, *augmented)
        ]
        return torch.stack([view.softmax(1) for view in logits]).mean(0)

    def fine_tune(
        self,
        model: nn.Module,
        suspects: Suspects,
        min_confidence: float,
        phase: str,
        stamp: TriggerStamp | None = None,
    ) -> nn.Module:
        """A fine-tuned copy of `model`.

        Args:
            suspects, min_confidence: see `labels_and_weights`.
            phase: name of the training in progress and warnings.
            stamp: applies known triggers to a share of each batch.
        """
        tuned = copy.deepcopy(model)
        if self.train_all:
            tuned.requires_grad_(True)
        pixels = self.images.pixels
        labels, weights = labels_and_weights(self.images, suspects, min_confidence)
        rows = ((weights > 0) & ~self.excluded).nonzero().flatten()
        if self.holdout is not None:
            rows = torch.cat([rows, len(pixels) + torch.arange(len(self.holdout))])
            pixels = torch.cat([pixels, self.holdout.pixels])
            labels = torch.cat([labels, self.holdout.labels])
            weights = torch.cat([weights, torch.ones(len(self.holdout))])
        task = TrainingTask(pixels, labels, self.training, rows, weights, stamp, phase=phase)
        self.executor.fit(tuned, task, self.generator, progress=self.progress)
        return tuned


def labels_and_weights(
    images: LabeledImages, suspects: Suspects, min_confidence: float
) -> tuple[Tensor, PerImage]:
    """Label `(n,)` and weight `(n,)` of each image in fine-tuning.

    Suspects get their restored label and are weighted by its confidence. All other images keep
    their label and weigh 1. A suspect weighs 0 if its confidence is below `min_confidence`. So does
    one that keeps its given label (clean-label poison), because it would teach the backdoor again.
    """
    labels, weights = images.labels.clone(), torch.ones(len(images))
    labels[suspects.index] = suspects.restored_label
    usable = suspects.confidence >= min_confidence
    usable &= suspects.restored_label != suspects.given_label
    weights[suspects.index] = torch.where(usable, suspects.confidence, 0.0)
    return labels, weights

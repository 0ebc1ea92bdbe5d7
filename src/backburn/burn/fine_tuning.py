"""What the phases share: asking a model, and fine-tuning a copy on the images that are trusted."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..executor.interface import HERE, Work
from ..models.inference import predict
from ..training import Training, TrainingTask
from ..types import Flags, LabeledImages, Logits, PerImage, Pixels, Progress, Suspects
from .apply_trigger import StampTrigger

VIEWS = 1


@dataclass(frozen=True, slots=True)
class Workbench:
    """Everything that the phases need beside the model and the suspects.

    Args:
        left_out: images that are never trained on, whatever they are.
        holdout: images with right labels, which are trained on, too.
        work: who trains.
        whole: train all weights, and not only those that a model says need it.
    """

    images: LabeledImages
    holdout: LabeledImages | None
    training: Training
    left_out: Flags
    generator: torch.Generator
    progress: Progress
    work: Work = HERE
    whole: bool = True

    def ask(self, model: nn.Module, pixels: Pixels) -> Logits:
        """Class probabilities `(n, k)`, averaged over each image and `VIEWS` augmented."""
        augmented = (self.training.augmentation(pixels, self.generator) for _ in range(VIEWS))
        said = [
            predict(model, view, phase="restoration", progress=self.progress)
            for view in (pixels, *augmented)
        ]
        return torch.stack([logits.softmax(1) for logits in said]).mean(0)

    def fine_tune(
        self,
        model: nn.Module,
        suspects: Suspects,
        confident: float,
        phase: str,
        stamp: StampTrigger | None = None,
    ) -> nn.Module:
        """A fine-tuned copy; `model` is left as it was. See `labels_and_weights`."""
        tuned = copy.deepcopy(model)
        if self.whole:
            tuned.requires_grad_(True)
        labels, weights = labels_and_weights(self.images, suspects, confident)
        used, pixels = ((weights > 0) & ~self.left_out).nonzero().flatten(), self.images.pixels
        if self.holdout is not None:
            used = torch.cat([used, len(pixels) + torch.arange(len(self.holdout))])
            pixels = torch.cat([pixels, self.holdout.pixels])
            labels = torch.cat([labels, self.holdout.labels])
            weights = torch.cat([weights, torch.ones(len(self.holdout))])
        lesson = TrainingTask(pixels, labels, self.training, used, weights, stamp, phase=phase)
        self.work.fit(tuned, lesson, self.generator, progress=self.progress)
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

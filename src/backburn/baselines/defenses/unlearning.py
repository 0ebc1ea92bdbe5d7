"""What the defences share that isolate poison in the training set and unlearn it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...data.augmentation import Augmentation
from ...models.inference import predict
from ...types import Flags, Images, LabeledImages, Labels, PerImage, Suspects

PLAIN = Augmentation(shift=0)


def cross_entropy(model: nn.Module, images: Images, labels: Labels) -> Tensor:
    """The loss `(n,)` of each image."""
    return F.cross_entropy(model(images).float(), labels, reduction="none")


def ascent(model: nn.Module, images: Images, labels: Labels) -> Tensor:
    """The objective of gradient ascent: minus the loss."""
    return -cross_entropy(model, images, labels)


def highest(statistic: PerImage, share: float) -> Flags:
    """The images of this share of all, and one at the least, whose statistic is highest."""
    chosen = torch.zeros(len(statistic), dtype=torch.bool)
    chosen[
        statistic.argsort(descending=True, stable=True)[: max(1, round(share * len(chosen)))]
    ] = True
    return chosen


def suspected(model: nn.Module, images: LabeledImages, flagged: Flags) -> Suspects:
    """The flagged images, restored to what the repaired model calls them."""
    index = flagged.nonzero().flatten()
    confidence, called = predict(model, images.pixels[index]).softmax(1).max(1)
    return Suspects(index, images.labels[index], called, confidence)

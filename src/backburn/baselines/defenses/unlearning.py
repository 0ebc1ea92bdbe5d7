"""What the defences share that isolate poison in the training set and unlearn it."""

import torch.nn.functional as F
from torch import Tensor, nn

from ...data.augmentation import Augmentation
from ...models.inference import predict
from ...types import Flags, Images, LabeledImages, Labels, Suspects

PLAIN = Augmentation(shift=0)


def cross_entropy(model: nn.Module, images: Images, labels: Labels) -> Tensor:
    """The loss `(n,)` of each image."""
    return F.cross_entropy(model(images).float(), labels, reduction="none")


def ascent(model: nn.Module, images: Images, labels: Labels) -> Tensor:
    """The objective of gradient ascent: minus the loss."""
    return -cross_entropy(model, images, labels)


def suspected(model: nn.Module, images: LabeledImages, flagged: Flags) -> Suspects:
    """The flagged images, restored to what the repaired model calls them."""
    index = flagged.nonzero().flatten()
    confidence, called = predict(model, images.pixels[index]).softmax(1).max(1)
    return Suspects(index, images.labels[index], called, confidence)

"""What defenses share that isolate poison in the training set and unlearn it."""

import torch.nn.functional as F
from torch import Tensor, nn

from ...data.augmentation import Augmentation
from ...models.inference import predict
from ...results import Suspects
from ...types import Flags, Images, LabeledImages, Labels

FLIP_ONLY = Augmentation(shift=0)


def cross_entropy(model: nn.Module, images: Images, labels: Tensor) -> Tensor:
    """The loss `(n,)` of each image; labels are class numbers `(n,)` or soft labels `(n, k)`."""
    return F.cross_entropy(model(images).float(), labels, reduction="none")


def gradient_ascent(model: nn.Module, images: Images, labels: Labels) -> Tensor:
    """The objective of gradient ascent: minus the loss."""
    return -cross_entropy(model, images, labels)


def suspects_of(model: nn.Module, images: LabeledImages, flagged: Flags) -> Suspects:
    """The flagged images as suspects, restored to the predictions of the repaired model."""
    index = flagged.nonzero().flatten()
    confidence, labels = predict(model, images.pixels[index]).softmax(1).max(1)
    return Suspects(index, images.labels[index], labels, confidence)

"""What confusion training trains on: wrong labels, weights of classes, and images of low loss."""

import torch

from ...training import BatchTransform
from ...types import Flags, Index, Labels, PerImage, Pixels


def wrong_labels(mislabeled: Flags, classes: int, generator: torch.Generator) -> BatchTransform:
    """A batch transform that draws a wrong label for each image with a flag."""

    def transform(pixels: Pixels, labels: Labels, rows: Index) -> tuple[Pixels, Labels]:
        step = torch.randint(1, classes, labels.shape, generator=generator)
        return pixels, torch.where(mislabeled[rows], (labels + step) % classes, labels)

    return transform


def class_weights(labels: Labels) -> PerImage:
    """Weights of mean 1 that are lower for larger classes, by the root of their frequency."""
    frequency = labels.bincount().double() / len(labels)
    weights = 1 / (frequency + 1e-3).sqrt()[labels]
    return (weights / weights.mean()).float()


def lowest_losses(loss: PerImage, labels: Labels, share: float, class_share: float) -> Index:
    """Rows of the lowest losses of all images, and of those of each class, in order.

    >>> lowest_losses(torch.tensor([0.1, 0.2, 0.9, 0.8]), torch.tensor([0, 0, 1, 1]), 0.5, 0.5)
    tensor([0, 1, 3])
    """
    order = loss.argsort(stable=True)
    chosen = torch.zeros(len(loss), dtype=torch.bool)
    chosen[order[: max(1, round(share * len(loss)))]] = True
    for label in set(labels.tolist()):
        own = order[labels[order] == label]
        chosen[own[: max(1, round(class_share * len(own)))]] = True
    return chosen.nonzero().flatten()

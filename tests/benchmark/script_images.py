"""Images for the models of `script_models.py`, and what is odd about them by nature.

Each function takes correctly labeled images and returns others. Labels count from 0 and are those
of groups of a data set's own classes, so that classes can be left out or merged.
"""

from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from backburn.data.load_images import load_images
from backburn.types import LabeledImages

Groups = tuple[tuple[int, ...], ...]
"""For each class, the classes of the data set that it is made of."""

CIFAR10_ROWS = (20000, 40000)
"""Training images that this study draws from; development had earlier ones (docs/protocol.md)."""
TEST_IMAGES = 3000
PHOTO_SIDE = 48

CAT_DOG: Groups = ((3,), (5,))
CAT_DOG_SHIP: Groups = (*CAT_DOG, (8,))
TRUCKS_WITH_BIRDS: Groups = ((0,), (1,), (2, 9), (3,), (4,), (5,), (6,), (7,), (8,))
VEHICLES_ANIMALS: Groups = ((0, 1, 8, 9), (2, 3, 4, 5, 6, 7))
LARGEST_SIGNS: Groups = ((1,), (2,), (4,), (5,), (9,), (10,), (12,), (13,), (25,), (38,))
"""The ten classes of traffic signs with the most training images."""
THREE_PHOTOS: Groups = ((0,), (1,), (2,))


@cache
def read(name: str, data: Path) -> tuple[LabeledImages, LabeledImages]:
    """The images that training sets are drawn from, and the test images.

    Args:
        name: `digits`, or a folder in `data` (`cifar10`, `gtsrb`, `imagenette`).
    """
    if name == "digits":
        return enlarged(load_images("digits")), enlarged(load_images("digits", split="test"))
    size = PHOTO_SIDE if name == "imagenette" else None
    first, last = CIFAR10_ROWS if name == "cifar10" else (0, None)
    pool = load_images(data / name, limit=last, size=size)
    test = load_images(data / name, split="test", limit=TEST_IMAGES, size=size)
    return pool.take(torch.arange(first, len(pool))), test


def enlarged(images: LabeledImages) -> LabeledImages:
    """Digits of 8x8 pixels as 28x28 with a margin of two pixels, as LeNet's were."""
    pixels = F.interpolate(images.pixels.float(), 28, mode="bilinear", align_corners=False)
    return images.relabeled(F.pad(pixels.round(), (2, 2, 2, 2)).to(torch.uint8), images.labels)


def grouped(images: LabeledImages, groups: Groups) -> LabeledImages:
    """The images of these groups, labeled by the number of their group; all without groups."""
    labels = images.labels
    if groups:
        labels = torch.full_like(labels, -1)
        for number, members in enumerate(groups):
            labels[torch.isin(images.labels, torch.tensor(members))] = number
    return LabeledImages(images.pixels[labels >= 0], labels[labels >= 0])


def class_sizes(count: int, classes: int, imbalance: float = 1.0) -> list[int]:
    """How many images each class gets; they fall geometrically from the first class to the last.

    Args:
        imbalance: the first class has so many times the images of the last one.
    """
    shares = imbalance ** -(torch.arange(classes) / (classes - 1))
    sizes: list[int] = (count * shares / shares.sum()).round().int().tolist()
    return sizes


def drawn(images: LabeledImages, sizes: list[int], generator: Generator) -> LabeledImages:
    """So many random images of each class, or all that it has, in random order."""
    parts = []
    for label, size in enumerate(sizes):
        of_class = (images.labels == label).nonzero().flatten()
        parts.append(of_class[torch.randperm(len(of_class), generator=generator)[:size]])
    rows = torch.cat(parts)
    return images.take(rows[torch.randperm(len(rows), generator=generator)])


def with_copies(images: LabeledImages, generator: Generator, copies: int = 30) -> LabeledImages:
    """A quarter more images, all exact copies; two images of class 1 are copied `copies` times."""
    count = len(images)
    random = torch.randperm(count, generator=generator)[: count // 4]
    same = (images.labels == 1).nonzero().flatten()[:2].repeat(copies)
    return images.take(torch.cat([torch.arange(count), random, same]))


def mislabeled(
    labels: Tensor, eligible: Tensor, rate: float, classes: int, generator: Generator
) -> Tensor:
    """Labels of which a share is wrong, each by a random other class.

    Args:
        eligible: which labels may be wrong.
        rate: share of all labels, in [0, 1].
    """
    rows = eligible.nonzero().flatten()
    rows = rows[torch.randperm(len(rows), generator=generator)[: round(rate * len(labels))]]
    labels = labels.clone()
    steps = torch.randint(1, classes, (len(rows),), generator=generator)
    labels[rows] = (labels[rows] + steps) % classes
    return labels

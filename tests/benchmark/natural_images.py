"""Training sets in which nobody planted anything, but which are not what a textbook shows.

Labels are noisy, classes are rare, images repeat, or a class has a mark of its own. Each function
takes a pool of correctly labeled images and a generator, and returns an `Altered`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from backburn.attacks.triggers import pixel_trigger
from backburn.types import Flags, LabeledImages, Pixels

COUNT = 5000
"""Most images of a training set."""


@dataclass(frozen=True)
class Altered:
    """A training set.

    Args:
        altered: which images are mislabeled, copied or marked.
        label: the class with a mark or with copies of its own; -1 without one.
        mark: puts that mark on images; None without one.
    """

    images: LabeledImages
    altered: Flags
    label: int = -1
    mark: Callable[[Pixels], Pixels] | None = None


def unaltered(pool: LabeledImages, generator: Generator) -> Altered:
    """The first images of the pool."""
    images = pool.take(torch.arange(min(COUNT, len(pool))))
    return Altered(images, torch.zeros(len(images), dtype=torch.bool))


def noisy(rate: float, pairs: bool, pool: LabeledImages, generator: Generator) -> Altered:
    """Labels are wrong at a rate: any other class, or always the next one (`pairs`)."""
    images = unaltered(pool, generator).images
    wrong = torch.rand(len(images), generator=generator) < rate
    steps = torch.randint(1, images.class_count, (len(images),), generator=generator)
    steps = torch.ones_like(steps) if pairs else steps
    labels = (images.labels + wrong * steps) % images.class_count
    return Altered(replace(images, labels=labels), wrong)


def long_tail(imbalance: float, pool: LabeledImages, generator: Generator) -> Altered:
    """Sizes of classes fall geometrically; the largest is `imbalance` times the smallest.

    The order of the classes is random. The head is as large as the pool and `COUNT` permit.
    Source: the exponential profile of Cui et al., CVPR 2019 (arXiv 1901.05555).
    """
    classes = pool.class_count
    shares = imbalance ** -(torch.arange(classes) / (classes - 1))
    head = min(int(pool.labels.bincount().min()), int(COUNT / shares.sum()))
    order = torch.randperm(classes, generator=generator).tolist()
    parts = []
    for label, share in zip(order, shares.tolist(), strict=True):
        parts.append(_draw(pool.labels == label, max(1, round(head * share)), generator))
    images = pool.take(torch.cat(parts).sort().values)
    return Altered(images, torch.zeros(len(images), dtype=torch.bool))


def duplicated(rate: float, pool: LabeledImages, generator: Generator) -> Altered:
    """A share of the images are exact copies of others, with the label of these."""
    images = unaltered(pool, generator).images
    copies = torch.rand(len(images), generator=generator) < rate
    originals = (~copies).nonzero().flatten()
    drawn = torch.randint(len(originals), (int(copies.sum()),), generator=generator)
    rows = torch.arange(len(images))
    rows[copies] = originals[drawn]
    return Altered(images.take(rows), copies)


def one_image(rate: float, pool: LabeledImages, generator: Generator) -> Altered:
    """A share of one class are copies of a single image of it."""
    images = unaltered(pool, generator).images
    label, copies = _part_of_a_class(images, rate, generator)
    rows = torch.arange(len(images))
    rows[copies] = int(copies.nonzero()[0])
    return Altered(images.take(rows), copies, label)


def marked(
    rate: float,
    pattern: Callable[[torch.Size], tuple[Tensor, Tensor]],
    pool: LabeledImages,
    generator: Generator,
) -> Altered:
    """A share of one class carry a mark; all labels are right."""
    images = unaltered(pool, generator).images
    label, chosen = _part_of_a_class(images, rate, generator)
    values, opacity = pattern(images.pixels.shape[1:])
    mark = pixel_trigger(lambda pixels: pixels * (1 - opacity) + opacity * values)
    pixels = images.pixels.clone()
    pixels[chosen] = mark(pixels[chosen])
    return Altered(images.relabeled(pixels, images.labels), chosen, label, mark)


def watermark(shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Stripes in the lower left corner, half transparent: values and opacity of every pixel."""
    _, height, width = shape
    values, opacity = torch.zeros(height, width), torch.zeros(height, width)
    values[:, ::2] = 255.0
    opacity[-max(2, height // 8) :, : width // 2] = 0.5
    return values, opacity


def border(shape: torch.Size) -> tuple[Tensor, Tensor]:
    """A gray frame around the image, as scanners leave it."""
    _, height, width = shape
    thick = max(1, height // 16)
    opacity = torch.ones(height, width)
    opacity[thick:-thick, thick:-thick] = 0
    return torch.full((height, width), 128.0), opacity


def _part_of_a_class(
    images: LabeledImages, rate: float, generator: Generator
) -> tuple[int, Tensor]:
    """A random class, and flags of a share of its images."""
    label = int(torch.randint(images.class_count, (), generator=generator))
    of_class = images.labels == label
    flags = torch.zeros(len(images), dtype=torch.bool)
    flags[_draw(of_class, round(rate * int(of_class.sum())), generator)] = True
    return label, flags


def _draw(flags: Tensor, count: int, generator: Generator) -> Tensor:
    """Random rows among the flagged ones."""
    rows = flags.nonzero().flatten()
    return rows[torch.randperm(len(rows), generator=generator)[:count]]

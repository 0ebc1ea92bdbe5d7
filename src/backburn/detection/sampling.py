"""Random subsets of rows, with bounds that keep memory and time independent of the data's size."""

import torch
from torch import Tensor

from ..types import Index

MAX_FITTED = 8192
"""Most images of a class that a statistic is fitted to, and most that are transformed at once."""

MIN_PER_CLASS, FULL_SAMPLE_CLASSES = 10, 10
"""Fewest images per class, and the number of classes up to which the full sample is drawn."""


def images_per_class(count: int, classes: int) -> int:
    """Images to draw from each class, so that the total is bounded.

    With more than ten classes the total stays that of ten classes, with at least ten images per
    class (or `count`, if that is less). Otherwise the cost would grow with the square of the number
    of classes, because every class is tested on images of all others.

    Args:
        count: images per class where there are ten classes or fewer.
        classes: number of classes.

    >>> images_per_class(20, 10), images_per_class(20, 16), images_per_class(20, 1000)
    (20, 12, 10)
    """
    return max(
        min(count, MIN_PER_CLASS), count * FULL_SAMPLE_CLASSES // max(FULL_SAMPLE_CLASSES, classes)
    )


def size_weight(count: int, natural_group: int) -> float:
    """Weight in [0, 1) of a statistic from `count` images: a few similar images say less than many.

    Args:
        natural_group: images of a typical natural group, such as frames of one object.

    >>> size_weight(30, 30), size_weight(270, 30)
    (0.5, 0.9)
    """
    return count / (count + natural_group)


def sample_rows(rows: Index, count: int, generator: torch.Generator) -> Tensor:
    """At most `count` of these rows, drawn at random without replacement."""
    return rows[torch.randperm(len(rows), generator=generator)[:count]]


def fitted_positions(count: int, seed: int) -> Index:
    """Sorted positions of the images to fit to: all, or `MAX_FITTED` random ones of `count`."""
    if count <= MAX_FITTED:
        return torch.arange(count)
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:MAX_FITTED]
    return chosen.sort().values


def chunks(count: int) -> list[slice]:
    """Consecutive slices of at most `MAX_FITTED` rows that cover `count` rows."""
    return [slice(begin, begin + MAX_FITTED) for begin in range(0, count, MAX_FITTED)]

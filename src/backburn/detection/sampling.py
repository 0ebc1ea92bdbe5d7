"""Samples: neither memory nor time may grow with a class, or with how many there are."""

import torch
from torch import Tensor

from ..types import Index

FITTED = 8192
"""Images of a class that anything is fitted to, at the most, and that are placed at a time."""

KIND = 30
"""Images of a natural kind, such as frames of one object: a group as small counts half."""

FEW, CLASSES = 10, 10
"""Images of each class at the least, and classes up to which as many of each as are asked for."""


def of_each(count: int, classes: int) -> int:
    """How many images of each class, so that those of many are as many as `count` of each of ten.

    Ten of each at the least (or `count`). What is asked about every class of the images of all
    others would take the square of their number otherwise.
    """
    return max(min(count, FEW), count * CLASSES // max(CLASSES, classes))


def shrunk(count: int) -> float:
    """What a share of so few images counts: a few images that are alike say less than many."""
    return count / (count + KIND)


def some(rows: Index, count: int, generator: torch.Generator) -> Tensor:
    """At most so many of these rows, drawn at random."""
    return rows[torch.randperm(len(rows), generator=generator)[:count]]


def drawn(count: int, seed: int) -> Index:
    """Positions of the images that are fitted to, in order: all, where there are not too many."""
    if count <= FITTED:
        return torch.arange(count)
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:FITTED]
    return chosen.sort().values


def parts(count: int) -> list[slice]:
    """All images, so many at a time."""
    return [slice(begin, begin + FITTED) for begin in range(0, count, FITTED)]

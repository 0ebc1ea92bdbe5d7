"""What is fitted to a class sees a sample of a large one: memory does not grow with the class."""

import torch

from ..types import Index

FITTED = 8192
"""Images of a class that anything is fitted to, at the most, and that are placed at a time."""


def drawn(count: int, seed: int) -> Index:
    """Positions of the images that are fitted to, in order: all, where there are not too many."""
    if count <= FITTED:
        return torch.arange(count)
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:FITTED]
    return chosen.sort().values


def parts(count: int) -> list[slice]:
    """All images, so many at a time."""
    return [slice(begin, begin + FITTED) for begin in range(0, count, FITTED)]

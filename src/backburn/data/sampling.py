"""Stratified sampling of large training sets."""

import torch

from ..errors import InputError
from ..types import Index, Labels


def stratified_sample(labels: Labels, count: int, generator: torch.Generator) -> Index:
    """Draw the rows of about `count` images, in ascending order.

    Each class gets its share of `count`, rounded, and at least one image.

    Raises:
        InputError: `count` is below 1.

    >>> labels = torch.tensor([0] * 90 + [1] * 10)
    >>> rows = stratified_sample(labels, 10, torch.Generator().manual_seed(0))
    >>> labels[rows].tolist()
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    """
    if count < 1:
        raise InputError(f"max_images is {count}: give 1 or more")
    if count >= len(labels):
        return torch.arange(len(labels))
    sample = []
    for label in sorted(set(labels.tolist())):
        rows = (labels == label).nonzero().flatten()
        share = max(1, round(count * len(rows) / len(labels)))
        sample.append(rows[torch.randperm(len(rows), generator=generator)[:share]])
    return torch.cat(sample).sort().values

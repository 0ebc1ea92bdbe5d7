"""A part of a training set, for machines that cannot look at all of it."""

import torch

from ..errors import InputError
from ..types import Index, Labels


def stratified(labels: Labels, count: int, generator: torch.Generator) -> Index:
    """Rows of about `count` images, in order: of every class its share, and one at the least.

    Raises:
        InputError: a count below 1.
    """
    if count < 1:
        raise InputError(f"max_images is {count}: give 1 or more")
    if count >= len(labels):
        return torch.arange(len(labels))
    chosen = []
    for label in sorted(set(labels.tolist())):
        rows = (labels == label).nonzero().flatten()
        share = max(1, round(count * len(rows) / len(labels)))
        chosen.append(rows[torch.randperm(len(rows), generator=generator)[:share]])
    return torch.cat(chosen).sort().values

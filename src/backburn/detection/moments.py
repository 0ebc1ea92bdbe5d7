"""Mean and standard deviation of rows, from sums that can be merged across parts of the data."""

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from ..memory_mapped import copy_rows
from ..types import Index

CHUNK_VALUES = 2**19
"""Numbers that are summed at once, so that memory does not grow with the number of images."""


@dataclass(frozen=True, slots=True)
class Moments:
    """First and second moments of a set of rows.

    Args:
        count: number of rows, or their weight.
        total, squares: sums of the rows and of their squares, `(...)` float64.
    """

    count: float
    total: Tensor
    squares: Tensor

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets of rows."""
        return Moments(
            self.count + other.count, self.total + other.total, self.squares + other.squares
        )

    def weighted(self, weight: float) -> "Moments":
        """The same moments with this count, so that groups of any size are merged by weight."""
        factor = weight / self.count
        return Moments(weight, factor * self.total, factor * self.squares)

    @property
    def mean(self) -> Tensor:
        """The mean row, float32; NaN of no rows."""
        return (self.total / (self.count or torch.nan)).float()

    @property
    def spread(self) -> Tensor:
        """The standard deviation of each number over all rows, float32; NaN of no rows."""
        mean = self.total / (self.count or torch.nan)
        return (
            (self.squares / (self.count or torch.nan) - mean.square()).clamp_min(0).sqrt().float()
        )


def remaining_spread(spread: Tensor, before: Tensor) -> Tensor:
    """Ratio of a standard deviation to an earlier one, both in 0..255 units; at most 1."""
    # a pixel that hardly varied before does not show its scale
    return torch.where(before > 1, spread / before.clamp_min(1), 1.0).clamp(max=1)


def standard_error(first: Moments, second: Moments) -> Tensor:
    """Standard error of the difference of both means, float32; NaN of no rows."""
    return (first.spread.square() / first.count + second.spread.square() / second.count).sqrt()


def moments(values: Tensor, rows: Index | None = None) -> Moments:
    """Moments of the rows of a table, computed in one pass over parts of it.

    Args:
        values: `(n, ...)` of any dtype, on any device; may be memory-mapped.
        rows: the rows to include; all if None.

    >>> moments(torch.tensor([[1.0], [3.0]])).mean
    tensor([2.])
    """
    rows = torch.arange(len(values)) if rows is None else rows
    size = max(1, CHUNK_VALUES // max(1, values[:1].numel()))
    return reduce(
        Moments.merge, (_sums(copy_rows(values, part)) for part in torch.split(rows, size))
    )


def _sums(values: Tensor) -> Moments:
    exact = values.double()
    return Moments(len(values), exact.sum(0), exact.square().sum(0))

"""First and second moments as sums: those of parts, put together, are those of the whole."""

from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from ..memory_mapped import rows_of
from ..types import Index

AT_ONCE = 2**19
"""Numbers that are summed up together, so that memory does not grow with the images."""


@dataclass(frozen=True, slots=True)
class Moments:
    """What is known of rows of numbers once they are gone.

    Args:
        count: rows.
        total, squares: sums of the rows and of their squares, `(...)` float64.
    """

    count: int
    total: Tensor
    squares: Tensor

    def merge(self, other: "Moments") -> "Moments":
        """The moments of both sets of rows."""
        return Moments(
            self.count + other.count, self.total + other.total, self.squares + other.squares
        )

    def as_one(self) -> "Moments":
        """These as of a single row, so that groups of any size count equally when merged."""
        return Moments(1, self.total / self.count, self.squares / self.count)

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


def left_of(spread: Tensor, before: Tensor) -> Tensor:
    """The share of a spread in 0..255 units that is left of another one, at most 1."""
    # where nothing varies, nothing can be said of a scale
    return torch.where(before > 1, spread / before.clamp_min(1), 1.0).clamp(max=1)


def standard_error(first: Moments, second: Moments) -> Tensor:
    """That of the difference of both means, float32; NaN of no rows."""
    return (first.spread.square() / first.count + second.spread.square() / second.count).sqrt()


def moments(values: Tensor, rows: Index | None = None) -> Moments:
    """The moments of a table in one pass, a part of its rows at a time.

    Args:
        values: `(n, ...)` of any kind of number, on any device; may be mapped.
        rows: those that count; all where None.
    """
    rows = torch.arange(len(values)) if rows is None else rows
    size = max(1, AT_ONCE // max(1, values[:1].numel()))
    return reduce(Moments.merge, (_sums(rows_of(values, part)) for part in torch.split(rows, size)))


def _sums(values: Tensor) -> Moments:
    exact = values.double()
    return Moments(len(values), exact.sum(0), exact.square().sum(0))

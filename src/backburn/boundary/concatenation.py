"""Concatenation of boundary results, and progress of a search in parts."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from torch import Tensor

from ..types import BoundaryResult, Progress


def result_columns(result: BoundaryResult) -> dict[str, Tensor]:
    """The columns of a result by name, without those that are None."""
    columns = {column.name: getattr(result, column.name) for column in fields(result)}
    return {name: values for name, values in columns.items() if values is not None}


def concatenate(parts: Iterable[BoundaryResult], count: int) -> BoundaryResult:
    """Join the results of consecutive images, with one part at a time beside the whole in memory.

    Args:
        parts: at least one; a column is in all of them or in none.
        count: number of images of all parts.
    """
    whole: dict[str, Any] = {}
    done = 0
    for part in parts:
        columns = result_columns(part)
        if done and columns.keys() != whole.keys():
            raise ValueError(f"parts with columns {sorted(whole)} and {sorted(columns)}")
        for name, values in columns.items():
            rows = whole.setdefault(name, values.new_empty((count, *values.shape[1:])))
            rows[done : done + len(part)] = values
        done += len(part)
    return BoundaryResult(**whole)


def offset_progress(progress: Progress, begin: int, total: int) -> Progress:
    """Report the progress of a part of the images as progress of the whole.

    Args:
        begin: images before this part.
        total: images of the whole.
    """

    def report(phase: str, done: int, _: int, /) -> None:
        progress(phase, begin + done, total)

    return report

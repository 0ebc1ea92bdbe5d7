"""Boundary results put together, one after the other."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from torch import Tensor

from ..types import BoundaryResult, Progress


def columns_of(result: BoundaryResult) -> dict[str, Tensor]:
    """The columns that were asked for, by name."""
    columns = {column.name: getattr(result, column.name) for column in fields(result)}
    return {name: values for name, values in columns.items() if values is not None}


def join(parts: Iterable[BoundaryResult], count: int) -> BoundaryResult:
    """Results of consecutive images as one; never more than one part beside the whole in memory.

    Args:
        parts: at least one; a column is in all of them or in none.
        count: images of them all.
    """
    whole: dict[str, Any] = {}
    done = 0
    for part in parts:
        present = columns_of(part)
        if done and present.keys() != whole.keys():
            raise ValueError(f"parts with columns {sorted(whole)} and {sorted(present)}")
        for name, values in present.items():
            rows = whole.setdefault(name, values.new_empty((count, *values.shape[1:])))
            rows[done : done + len(part)] = values
        done += len(part)
    return BoundaryResult(**whole)


def shifted(progress: Progress, begin: int, total: int) -> Progress:
    """Tells of one part of a search as a part of the whole."""

    def tell(phase: str, done: int, _: int, /) -> None:
        progress(phase, begin + done, total)

    return tell

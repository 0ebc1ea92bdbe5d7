"""Boundary results put together: one after the other, or one over the other."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from ..types import BoundaryResult, Flags


def overlaid(below: BoundaryResult, above: BoundaryResult, rows: Flags) -> BoundaryResult:
    """The results of `above` at these rows, those of `below` at the others."""

    def chosen(name: str) -> Tensor | None:
        first, second = getattr(below, name), getattr(above, name)
        if first is None or second is None:
            return None
        return torch.where(rows.view(-1, *[1] * (first.dim() - 1)), second, first)

    columns: dict[str, Any] = {column.name: chosen(column.name) for column in fields(below)}
    return BoundaryResult(**columns)


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

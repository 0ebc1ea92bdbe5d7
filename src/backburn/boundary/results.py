"""Boundary results put together: one after the other, or one over the other."""

from collections.abc import Sequence
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


def join(parts: Sequence[BoundaryResult]) -> BoundaryResult:
    """Results of consecutive images as one; a column must be in all parts or in none."""

    def joined(name: str) -> Tensor | None:
        columns = [getattr(part, name) for part in parts]
        return None if columns[0] is None else torch.cat(columns)

    columns: dict[str, Any] = {
        column.name: joined(column.name) for column in fields(BoundaryResult)
    }
    return BoundaryResult(**columns)

"""Where a trigger is: the smallest box around most of what changes."""

import torch
from jaxtyping import UInt8
from torch import Tensor

SHARE = 0.8
"""Of all change, what lies in the box."""
LARGEST = 0.25
"""Share of the picture that a box may take; a trigger that is everywhere has none."""


def region_of(change: UInt8[Tensor, "c h w"]) -> tuple[float, float, float, float] | None:
    """Left, top, width and height of the place that changes most, as shares; None where none does.

    Args:
        change: as `looks.amplified` draws it: gray is none, and strength is its square root.
    """
    energy = ((change.double() - 127.5) / 127.5).pow(4).sum(0)
    height, width = energy.shape
    total = float(energy.sum())
    if total <= 0:
        return None
    order = energy.flatten().argsort(descending=True)
    enough = int((energy.flatten()[order].cumsum(0) < SHARE * total).sum()) + 1
    marked = torch.zeros(height * width, dtype=torch.bool).index_fill(0, order[:enough], True)
    rows, columns = marked.view(height, width).nonzero().unbind(1)
    top, left = int(rows.min()), int(columns.min())
    tall, wide = int(rows.max()) - top + 1, int(columns.max()) - left + 1
    if tall * wide > LARGEST * height * width:
        return None
    return left / width, top / height, wide / width, tall / height

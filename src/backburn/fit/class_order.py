"""Class order: do whole classes go by the number of another one?"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..types import Labels

Order: TypeAlias = tuple[int, ...]
"""The model's number of each of the images' classes."""
FEWEST, MOST = 3, 2000
"""Images of a class that tell what a model calls it, and classes that are looked at."""
MOVED, KEPT = 0.5, 0.25
"""A class that has moved is called by its other number for more than the first share of its images,
and by its own for less than the second."""
SHOWN = 30


def order_of(said: Labels, labels: Labels, classes: int) -> Order | None:
    """The order of classes that explains what a model says; None where it is that of the labels.

    Args:
        said: what the model calls each image.
        classes: how many the images have; those of the labels and answers where 0.
    """
    count = max(classes, int(labels.max()) + 1, int(said.max()) + 1)
    if count > MOST:
        return None
    table = np.zeros((count, count))
    np.add.at(table, (labels.numpy(), said.numpy()), 1)
    images = table.sum(1)
    # ties go to the order as it is
    rows, columns = linear_sum_assignment(table + 1e-3 * np.eye(count), maximize=True)
    moved = [
        int(row)
        for row, column in zip(rows, columns, strict=True)
        if row != column
        and images[row] >= FEWEST
        and table[row, column] > MOVED * images[row]
        and table[row, row] < KEPT * images[row]
    ]
    return tuple(int(column) for column in columns) if moved else None


def order_sentence(order: Order, names: Sequence[str]) -> str:
    """What the order is, and what to do."""
    moved = [(label, number) for label, number in enumerate(order) if label != number]
    if not names:
        pairs = ", ".join(f"{label} is {number}" for label, number in moved[:SHOWN])
        return (
            "the model's classes are in another order than the labels: to it, label "
            f"{pairs}. Give labels in the model's order"
        )
    by_number = {number: label for label, number in enumerate(order)}
    listed = [names[by_number[k]] if by_number[k] < len(names) else "?" for k in sorted(by_number)]
    shown = ", ".join(listed[:SHOWN]) + (", ..." if len(listed) > SHOWN else "")
    pairs = ", ".join(
        f"images of {names[label]!r} are called {names[number]!r}"
        for label, number in moved[:3]
        if label < len(names) and number < len(names)
    )
    return (
        f"the model's classes are in another order than the folders' names: {pairs}. Its order "
        f"seems to be: {shown}. If it is, write these into a file, one a line, and give it with "
        "--classes FILE"
    )


def usual_orders(names: Sequence[str]) -> Iterator[tuple[str, Order]]:
    """Other orders than ours in which tools number these names, each with what it is."""
    ours = sorted(range(len(names)), key=lambda k: names[k])
    kinds = {
        "without regard to case": sorted(range(len(names)), key=lambda k: names[k].lower()),
        "by the numbers in them": sorted(range(len(names)), key=lambda k: _natural(names[k])),
    }
    seen = [ours]
    for kind, order in kinds.items():
        if order not in seen:
            seen.append(order)
            yield kind, tuple(order.index(k) for k in range(len(names)))


def _natural(name: str) -> list[tuple[bool, int, str]]:
    parts = re.split(r"(\d+)", name.lower())
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]

"""Class order: does the model number the classes in another order than the labels do?"""

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..types import Labels

ClassOrder: TypeAlias = tuple[int, ...]
"""The model's number of each of the images' classes."""
MIN_IMAGES, MAX_CLASSES = 3, 2000
"""Fewest images of a class from which its number is inferred, and most classes to examine."""
MIN_MOVED_SHARE, MAX_KEPT_SHARE = 0.5, 0.25
"""A class has moved if the model calls more than the first share of its images by its other number,
and less than the second by its own."""
MAX_SHOWN = 30
"""Most classes in a message."""


def find_class_order(predictions: Labels, labels: Labels, classes: int) -> ClassOrder | None:
    """The order of classes that explains a model's predictions; None if it is that of the labels.

    Args:
        predictions: the class that the model assigns to each image.
        classes: number of classes; 0 to take it from labels and predictions.
    """
    count = max(classes, int(labels.max()) + 1, int(predictions.max()) + 1)
    if count > MAX_CLASSES:
        return None
    table = np.zeros((count, count))
    np.add.at(table, (labels.numpy(), predictions.numpy()), 1)
    images = table.sum(1)
    # ties keep the present order
    rows, columns = linear_sum_assignment(table + 1e-3 * np.eye(count), maximize=True)
    moved = [
        int(row)
        for row, column in zip(rows, columns, strict=True)
        if row != column
        and images[row] >= MIN_IMAGES
        and table[row, column] > MIN_MOVED_SHARE * images[row]
        and table[row, row] < MAX_KEPT_SHARE * images[row]
    ]
    return tuple(int(column) for column in columns) if moved else None


def describe_order(order: ClassOrder, names: Sequence[str]) -> str:
    """A message that names the model's order, and says how to give it."""
    moved = [(label, number) for label, number in enumerate(order) if label != number]
    if not names:
        pairs = ", ".join(f"{label} is {number}" for label, number in moved[:MAX_SHOWN])
        return (
            "the model's classes are in another order than the labels: to it, label "
            f"{pairs}. Give labels in the model's order"
        )
    by_number = {number: label for label, number in enumerate(order)}
    listed = [names[by_number[k]] if by_number[k] < len(names) else "?" for k in sorted(by_number)]
    shown = ", ".join(listed[:MAX_SHOWN]) + (", ..." if len(listed) > MAX_SHOWN else "")
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


def common_orders(names: Sequence[str]) -> Iterator[tuple[str, ClassOrder]]:
    """Other orders in which tools number these class names, each with its description.

    >>> list(common_orders(["10", "9"]))
    [('by the numbers in them', (1, 0))]
    """
    default = sorted(range(len(names)), key=lambda k: names[k])
    orders = {
        "without regard to case": sorted(range(len(names)), key=lambda k: names[k].lower()),
        "by the numbers in them": sorted(range(len(names)), key=lambda k: _natural_key(names[k])),
    }
    seen = [default]
    for description, order in orders.items():
        if order not in seen:
            seen.append(order)
            yield description, tuple(order.index(k) for k in range(len(names)))


def _natural_key(name: str) -> list[tuple[bool, int, str]]:
    parts = re.split(r"(\d+)", name.lower())
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]

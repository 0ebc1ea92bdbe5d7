"""Labels as sources have them, to class numbers."""

import re
from collections.abc import Sequence

from ..errors import InputError, printable

MAX_CLASSES = 100_000
"""The most classes: tables of classes by classes are made further on."""


def class_number(label: object, class_names: Sequence[str], name: str, where: str) -> int:
    """The label as a plain int.

    Raises:
        InputError: no whole number, or out of range.
    """
    last = (len(class_names) or MAX_CLASSES) - 1
    if not isinstance(label, int) or not 0 <= label <= last:
        told = printable(repr(label)[:80])
        raise InputError(
            f"label {told} of {printable(name)} in {where} is out of range: labels are whole "
            f"numbers from 0 to {last}"
        )
    return int(label)


def from_texts(texts: Sequence[str], where: str) -> tuple[list[int], tuple[str, ...]]:
    """Labels that are text: whole numbers, or else names of classes, which are put in order.

    Raises:
        InputError: an empty label; numbers that are not whole, or among names.
    """
    numeric = [_is_number(text) for text in texts]
    if not any(numeric) and all(texts):
        names = sorted(set(texts))
        number = {name: k for k, name in enumerate(names)}
        return [number[text] for text in texts], tuple(names)
    for row, text in enumerate(texts):
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise InputError(
                f"label {printable(text[:80])!r} of row {row} in {where} is no whole number, and "
                "others are numbers or empty: give numbers from 0, or a name in every row"
            )
    return [int(text) for text in texts], ()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

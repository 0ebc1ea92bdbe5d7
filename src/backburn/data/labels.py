"""Conversion of labels, as sources store them, to class numbers."""

import re
from collections.abc import Sequence
from decimal import Decimal
from math import isnan

from ..errors import InputError, printable

MAX_CLASSES = 100_000
"""Largest number of classes: later steps allocate class-by-class tables."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
WHOLE_NUMBER = re.compile(r"\d{1,9}(\.0*)?", re.ASCII)
MISSING = ("nan", "null", "none", "na", "n/a", "<na>")
"""Words for a missing value in a column of numbers. Among class names each is an ordinary name."""


def check_label(label: object, class_names: Sequence[str], name: str, source: str) -> int:
    """Return the label as a plain int.

    Args:
        class_names: if empty, labels up to `MAX_CLASSES` - 1 are valid.
        name: of the image, for the error message.
        source: name of the file or folder, for the error message.
    Raises:
        InputError: the label is not a whole number, or out of range.

    >>> check_label(1, ("cat", "dog"), "a.png", "train.csv")
    1
    """
    last = (len(class_names) or MAX_CLASSES) - 1
    if not isinstance(label, int) or not 0 <= label <= last:
        shown = printable(repr(label)[:80])
        raise InputError(
            f"label {shown} of {printable(name)} in {source} is out of range: labels are whole "
            f"numbers from 0 to {last}"
        )
    return int(label)


def labels_from_text(
    texts: Sequence[str], source: str, row_names: Sequence[str] | None = None
) -> tuple[list[int], tuple[str, ...]]:
    """Convert text labels to class numbers and class names.

    If every text is a whole number, such as 3 or 3.0, these are the class numbers and there are no
    names. Otherwise every text is a class name, and classes are numbered in alphabetical order.

    Args:
        source: name of the file or folder, for error messages.
        row_names: names of the rows, for error messages.
    Raises:
        InputError: an empty label, or numbers that are not whole.

    >>> labels_from_text(["dog", "cat", "dog"], "train.csv")
    ([1, 0, 1], ('cat', 'dog'))
    >>> labels_from_text(["0", "1.0"], "train.csv")
    ([0, 1], ())
    """
    if all(WHOLE_NUMBER.fullmatch(text) for text in texts):
        return [int(text.partition(".")[0]) for text in texts], ()
    non_numbers = [text for text in texts if text and not NUMBER.fullmatch(text)]
    if all(texts) and non_numbers and not all(text.lower() in MISSING for text in non_numbers):
        class_names = sorted(set(texts))
        numbers = {name: number for number, name in enumerate(class_names)}
        return [numbers[text] for text in texts], tuple(class_names)
    invalid = [(row, text) for row, text in enumerate(texts) if not WHOLE_NUMBER.fullmatch(text)]
    row, text = next(((row, text) for row, text in invalid if not text), invalid[0])
    row_name = f"row {row}{f' ({printable(row_names[row][:80])})' if row_names else ''}"
    if not text or text.lower() in MISSING:
        problem = f"{row_name} of {source} has no label{f' but {text!r}' * bool(text)}"
        raise InputError(f"{problem}: give it one, or take it out")
    raise InputError(
        f"label {printable(text[:80])!r} of {row_name} in {source} is no whole number from 0: give "
        "numbers from 0, or a name in every row"
    )


def labels_from_values(
    values: Sequence[object], source: str, row_names: Sequence[str] | None = None
) -> tuple[list[int], tuple[str, ...]]:
    """Convert the values of a label column, numbers of any kind or text; see `labels_from_text`.

    >>> labels_from_values([0, 1.0, "2"], "train.npz")
    ([0, 1, 2], ())
    """
    return labels_from_text([_to_text(value, source) for value in values], source, row_names)


def _to_text(value: object, source: str) -> str:
    """Return a cell as text, empty if the value is missing.

    Raises:
        InputError: the value is neither a number nor text.
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if not isinstance(value, str | int | float | Decimal):
        shown = printable(repr(value)[:80])
        raise InputError(f"label {shown} in {source}: labels are whole numbers from 0, or names")
    return str(int(value) if isinstance(value, bool) else value)

"""Labels as sources have them, to class numbers."""

import re
from collections.abc import Sequence
from decimal import Decimal
from math import isnan

from ..errors import InputError, printable

MAX_CLASSES = 100_000
"""The most classes: tables of classes by classes are made further on."""


NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
WHOLE = re.compile(r"\d{1,9}(\.0*)?", re.ASCII)
MISSING = ("nan", "null", "none", "na", "n/a", "<na>")
"""What tables say where there is nothing, beside numbers; as one of many names each is a name."""


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


def from_texts(
    texts: Sequence[str], where: str, names: Sequence[str] | None = None
) -> tuple[list[int], tuple[str, ...]]:
    """Labels that are text: whole numbers, or else names of classes, which are put in order.

    They are numbers where every one is, as 3 or as 3.0; where some are not, all are names.

    Args:
        names: what messages call the rows.
    Raises:
        InputError: an empty label, or numbers that are not whole.
    """
    if all(WHOLE.fullmatch(text) for text in texts):
        return [int(text.partition(".")[0]) for text in texts], ()
    named = [row for row, text in enumerate(texts) if text and not NUMBER.fullmatch(text)]
    if all(texts) and named and not all(texts[row].lower() in MISSING for row in named):
        found = sorted(set(texts))
        number = {name: k for k, name in enumerate(found)}
        return [number[text] for text in texts], tuple(found)
    bad = [(k, t) for k, t in enumerate(texts) if not WHOLE.fullmatch(t)]
    row, text = next(((k, t) for k, t in bad if not t), bad[0])
    called = f"row {row}{f' ({printable(names[row][:80])})' if names else ''}"
    if not text or text.lower() in MISSING:
        said = f"{called} of {where} has no label"
        raise InputError(f"{said}{f' but {text!r}' * bool(text)}: give it one, or take it out")
    raise InputError(
        f"label {printable(text[:80])!r} of {called} in {where} is no whole number from 0: give "
        "numbers from 0, or a name in every row"
    )


def from_values(
    values: Sequence[object], where: str, names: Sequence[str] | None = None
) -> tuple[list[int], tuple[str, ...]]:
    """Labels of a table's column: numbers of any kind, or text (`from_texts`)."""
    return from_texts([_text(value, where) for value in values], where, names)


def _text(value: object, where: str) -> str:
    """A cell as text; empty where it holds nothing.

    Raises:
        InputError: it is neither a number nor text.
    """
    if value is None or (isinstance(value, float) and isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if not isinstance(value, str | int | float | Decimal):
        told = printable(repr(value)[:80])
        raise InputError(f"label {told} in {where}: labels are whole numbers from 0, or names")
    return str(int(value) if isinstance(value, bool) else value)

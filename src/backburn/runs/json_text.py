"""JSON of what runs keep. Names of files that are no UTF-8 are in it as escapes, and read back."""

import json
from typing import Any, TypeVar

import msgspec

from ..errors import first_line

T = TypeVar("T")


def to_json(value: Any) -> bytes:
    """Indented JSON of records and plain values; NaN and infinities become null."""
    try:
        content = msgspec.json.format(msgspec.json.encode(value), indent=2)
    except UnicodeEncodeError:
        content = _escaped(value, indent=2)
    return content + b"\n"


def compact_json(value: Any) -> bytes:
    """The same on one line, without spaces."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return _escaped(value, indent=None)


def from_json(content: bytes, kind: type[T]) -> T:
    """A value of that type.

    Raises:
        ValueError: other bytes, whatever they are.
    """
    try:
        return msgspec.convert(json.loads(content), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(first_line(error)) from error


def _escaped(value: Any, indent: int | None) -> bytes:
    # msgspec knows no escapes for bytes that are no UTF-8, and json none for NaN
    plain = json.dumps(msgspec.to_builtins(value))
    text = json.dumps(json.loads(plain, parse_constant=lambda _: None), indent=indent)
    return text.encode("ascii")

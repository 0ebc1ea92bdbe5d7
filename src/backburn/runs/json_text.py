"""JSON as runs store it; file names that are not valid UTF-8 survive as escapes."""

import json
from typing import Any, TypeVar

import msgspec

from ..errors import first_line

T = TypeVar("T")


def to_json(value: Any) -> bytes:
    """Encode a value as indented JSON; NaN and infinities become null.

    >>> print(to_json({"p_value": float("nan")}).decode(), end="")
    {
      "p_value": null
    }
    """
    try:
        content = msgspec.json.format(msgspec.json.encode(value), indent=2)
    except UnicodeEncodeError:
        content = _escaped(value, indent=2)
    return content + b"\n"


def compact_json(value: Any) -> bytes:
    """Encode a value as JSON on one line, without spaces."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return _escaped(value, indent=None)


def from_json(content: bytes, kind: type[T]) -> T:
    """Decode JSON into a value of the given type.

    Raises:
        ValueError: the bytes are no JSON, or not of that type.
    """
    try:
        return msgspec.convert(json.loads(content), kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(first_line(error)) from error


def _escaped(value: Any, indent: int | None) -> bytes:
    # msgspec cannot escape invalid UTF-8, and json cannot write NaN as null
    plain = json.dumps(msgspec.to_builtins(value))
    text = json.dumps(json.loads(plain, parse_constant=lambda _: None), indent=indent)
    return text.encode("ascii")

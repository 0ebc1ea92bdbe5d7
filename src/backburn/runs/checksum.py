"""Records with a seal: what was changed since it was made is no result."""

import hashlib
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from .json_text import compact_json, from_json
from .records import Record


def sealed(record: Record) -> Record:
    """The record with the SHA-256 of everything else in it."""
    return replace(record, digest=_digest(record))


def read_sealed(file: Path) -> Record:
    """A record that `sealed` made; older ones have no digest to be held against.

    Raises:
        InputError: it cannot be read, or was changed since it was made.
    """
    try:
        record = from_json(file.read_bytes(), Record)
    except (ValueError, OSError) as error:
        raise InputError(
            f"{file} cannot be read: {error}; delete it, and it is made again"
        ) from error
    if record.digest and record.digest != _digest(record):
        raise InputError(f"{file} was changed since it was made: delete it, and it is made again")
    return record


def _digest(record: Record) -> str:
    return hashlib.sha256(compact_json(replace(record, digest=""))).hexdigest()

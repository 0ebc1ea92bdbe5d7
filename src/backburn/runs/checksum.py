"""Records with a checksum, so that an edited result is noticed."""

import hashlib
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from .json_text import compact_json, from_json
from .records import Record


def with_checksum(record: Record) -> Record:
    """The record with `digest` set to the SHA-256 of its other fields."""
    return replace(record, digest=_digest(record))


def read_checked(file: Path) -> Record:
    """Read a record and verify its checksum; records of older versions have none.

    Raises:
        InputError: the file cannot be read, or was changed after it was written.
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

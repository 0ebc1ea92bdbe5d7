"""Labeled images as they lie somewhere, undecoded, one at a time: for writing them elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from .decoding import as_image, plain_file
from .labels import class_number
from .rows import Picture, Rows
from .sources import open_rows
from .writing import png_bytes


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """An image file's bytes with its label.

    `name` is what `LabeledImages.name_of` says; `file` the image's own path, below the folder of
    its class where it lies in one, None where it is no file; `number` its row.
    """

    number: int
    name: str
    label: int
    content: bytes
    file: str | None = None


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Rows to go through, and the class names, empty where there are none."""

    class_names: tuple[str, ...]
    rows: Iterator[EncodedRow]


def encoded_images(source: str | Path, split: str = "train") -> EncodedImages:
    """The images of a source that `load_images` reads, also those that it could not decode.

    Encoded images keep their bytes, others become PNG; rows without any image are left out.
    Raises:
        InputError: what `load_images` raises on the source, while the rows are gone through too.
    """
    rows = open_rows(source, split, None)
    return EncodedImages(rows.class_names, _encoded(rows))


def _encoded(rows: Rows) -> Iterator[EncodedRow]:
    for number, (name, picture, label) in enumerate(rows.read()):
        known = class_number(label, rows.class_names, name, rows.where)
        if isinstance(picture, str):
            continue
        file = _file(name, rows.class_names[known]) if isinstance(picture, Path) else None
        yield EncodedRow(number, name, known, _content(picture), file)


def _content(picture: Picture) -> bytes:
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, Path):
        return plain_file(picture).read_bytes()
    return png_bytes(as_image(picture) if isinstance(picture, np.ndarray) else picture)


def _file(name: str, home: str) -> str | None:
    """A relative path; None where the name is none."""
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        return None
    return str(path.relative_to(home)) if path.parts[0] == home and path.parts[1:] else str(path)

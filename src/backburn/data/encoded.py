"""Labeled images as they lie somewhere, undecoded, one at a time: for writing them elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from .decoding import as_image, decode, plain_file
from .labels import class_number
from .rows import Picture, Rows
from .scan import is_machines
from .sources.find_reader import open_rows
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
    """Rows to go through once, and the class names, empty where there are none.

    `unreadable` fills up with the names of rows without an image while others are gone through.
    """

    class_names: tuple[str, ...]
    rows: Iterator[EncodedRow]
    unreadable: list[str] = field(default_factory=list)


def encoded_images(source: str | Path, split: str = "train") -> EncodedImages:
    """The images of a source that `load_images` reads, also those that it could not decode.

    Encoded images keep their bytes, others become PNG.
    Raises:
        InputError: what `load_images` raises on the source, while the rows are gone through too.
    """
    rows = open_rows(source, split, None)
    unreadable: list[str] = []
    return EncodedImages(rows.class_names, _encoded(rows, unreadable), unreadable)


def _encoded(rows: Rows, unreadable: list[str]) -> Iterator[EncodedRow]:
    for number, (name, picture, label) in enumerate(rows.read()):
        known = class_number(label, rows.class_names, name, rows.where)
        try:
            content = _content(picture)
        except (OSError, ValueError) as error:
            if is_machines(error):
                raise
            unreadable.append(name)
            continue
        home = rows.class_names[known] if rows.class_names else ""
        file = _file(name, home) if isinstance(picture, Path) else None
        yield EncodedRow(number, name, known, content, file)


def _content(picture: Picture | str) -> bytes:
    if isinstance(picture, str):
        raise ValueError(picture)
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, Path):
        return plain_file(picture).read_bytes()
    return png_bytes(as_image(decode(picture)))


def _file(name: str, home: str) -> str | None:
    """A relative path; None where the name is none."""
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        return None
    return str(path.relative_to(home)) if path.parts[0] == home and path.parts[1:] else str(path)

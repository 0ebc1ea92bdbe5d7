"""Labeled images as they lie on disk, undecoded, one at a time: for writing them elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .decoding import encode
from .reading import _encoded, _name, load_images
from .sources import find, open_rows, read_rows


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """An image file's bytes with its label.

    `name` is what `LabeledImages.name_of` says; `file` its path below its class's folder, where it
    comes from a tree of files; `number` its row.
    """

    number: int
    name: str
    label: int
    content: bytes
    file: str | None = None


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Rows to go through once, and the class names, empty where there are none."""

    class_names: tuple[str, ...]
    rows: Iterator[EncodedRow]


def encoded_images(source: str | Path, split: str = "train") -> EncodedImages:
    """The images of a source that `load_images` reads, with those that cannot be decoded.

    Raises:
        InputError: what `load_images` raises on the source, while the rows are gone through too.
    """
    if str(source) == "digits":
        images = load_images(source, split=split)
        contents = encode(images.pixels)
        labels = images.labels.tolist()
        rows = (EncodedRow(i, images.name_of(i), labels[i], c) for i, c in enumerate(contents))
        return EncodedImages(images.class_names, rows)
    path = find(Path(source), split)
    stream, names = open_rows(path, None)
    return EncodedImages(names, _rows(stream, path, names))


def _rows(stream: object, path: Path, class_names: tuple[str, ...]) -> Iterator[EncodedRow]:
    for number, (image, label) in enumerate(read_rows(stream, path)):
        name = _name(image, path, number)
        if not isinstance(label, int) or not 0 <= label < (len(class_names) or label + 1):
            raise InputError(f"label {label!r} of {name} in {path} is out of range")
        try:
            content = _encoded(image)
        except (OSError, ValueError):  # a row without an image: kept out, as it was of the run
            continue
        file = str(Path(*Path(name).parts[1:])) if path.is_dir() else None
        yield EncodedRow(number, name, label, content, file)

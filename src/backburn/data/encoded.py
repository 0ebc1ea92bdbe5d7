"""Labeled images in their encoded form, one at a time, for export."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from .decoding import check_regular_file, decode, to_pil
from .labels import check_label
from .scan_headers import is_resource_error
from .sources.find_reader import open_rows
from .undecoded_rows import RawImage, Rows
from .writing import to_png


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """The bytes of an image file, and its label.

    `number` is the row, `name` the image's name as `LabeledImages.name_of` gives it. `file` is the
    image's path relative to its class folder or to the source; None if the image is not a file.
    """

    number: int
    name: str
    label: int
    content: bytes
    file: str | None = None


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Encoded rows, which can be iterated over once, and class names (empty if unknown).

    `unreadable` collects the names of rows without an image during the iteration.
    """

    class_names: tuple[str, ...]
    rows: Iterator[EncodedRow]
    unreadable: list[str] = field(default_factory=list)


def read_encoded_images(source: str | Path, split: str = "train") -> EncodedImages:
    """Read the images of a source without decoding them, damaged ones included.

    Encoded images keep their bytes; arrays become PNG.

    Args:
        source, split: as for `load_images`.
    Raises:
        InputError: as `load_images`, also during the iteration over the rows.
    """
    rows = open_rows(source, split, None)
    unreadable: list[str] = []
    return EncodedImages(rows.class_names, _encode(rows, unreadable), unreadable)


def _encode(rows: Rows, unreadable: list[str]) -> Iterator[EncodedRow]:
    for number, (name, image, raw_label) in enumerate(rows.read()):
        label = check_label(raw_label, rows.class_names, name, rows.source)
        try:
            content = _content(image)
        except (OSError, ValueError) as error:
            if is_resource_error(error):
                raise
            unreadable.append(name)
            continue
        class_folder = rows.class_names[label] if rows.class_names else ""
        file = _relative_file(name, class_folder) if isinstance(image, Path) else None
        yield EncodedRow(number, name, label, content, file)


def _content(image: RawImage | str) -> bytes:
    if isinstance(image, str):
        raise ValueError(image)
    if isinstance(image, bytes):
        return image
    if isinstance(image, Path):
        return check_regular_file(image).read_bytes()
    return to_png(to_pil(decode(image)))


def _relative_file(name: str, class_folder: str) -> str | None:
    """Return the path below the class folder, or None if the name is not a safe relative path."""
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        return None
    in_class_folder = path.parts[0] == class_folder and path.parts[1:]
    return str(path.relative_to(class_folder)) if in_class_folder else str(path)

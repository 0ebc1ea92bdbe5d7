"""Undecoded rows into new files, one at a time: parquet, a tree, or a CSV beside its images."""

import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from PIL import Image

from .csv_cells import csv_bytes, neutral
from .encoded import EncodedImages, EncodedRow
from .writing import ROW_GROUP, folder_names, no_images, parquet_schema


def write_parquet(images: EncodedImages, folder: Path) -> None:
    """`train.parquet`: the images' own bytes, the labels, and the classes' names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = parquet_schema(images.class_names)
    with pq.ParquetWriter(folder / "train.parquet", schema) as file:
        for chunk in _chunks(images.rows):
            columns = {
                "image": [{"bytes": row.content, "path": _text(row.file)} for row in chunk],
                "label": [row.label for row in chunk],
            }
            file.write_table(pa.table(columns, schema=schema))


def write_tree(images: EncodedImages, folder: Path) -> None:
    """`train/CLASS/FILE`: files keep their names; rows of other sources are named by number.

    Raises:
        InputError: a class that has no images left.
    """
    names = folder_names(images.class_names, len(images.class_names) or 1)
    met: set[int] = set()
    for row in images.rows:
        met.add(row.label)
        home = names[row.label] if images.class_names else f"{row.label:05d}"
        _save(row, folder / "train" / home, row.file)
    _check_labels(images.class_names, met)


def write_csv(images: EncodedImages, folder: Path) -> None:
    """`train.csv` with the columns path and label, and the files that it names in `images/`.

    Labels are the classes' names where these are in order and plain text, numbers elsewhere. Files
    whose names no table holds in one line are named by number.
    Raises:
        InputError: a class that has no images left.
    """
    names = images.class_names
    plain = all(name.isprintable() and neutral(name.strip()) == name for name in names)
    named = names and plain and sorted(set(names)) == list(names)
    rows: list[dict[str, str | int]] = []
    met: set[int] = set()
    for row in images.rows:
        met.add(row.label)
        saved = _save(row, folder / "images", row.name if row.file and _one_line(row) else None)
        label = names[row.label] if named else row.label
        rows.append({"path": saved.relative_to(folder).as_posix(), "label": label})
    _check_labels(images.class_names, met)
    (folder / "train.csv").write_bytes(csv_bytes(("path", "label"), rows))


WRITERS: dict[str, Callable[[EncodedImages, Path], None]] = {
    "parquet": write_parquet,
    "folder": write_tree,
    "csv": write_csv,
}


def _chunks(rows: Iterable[EncodedRow]) -> Iterator[list[EncodedRow]]:
    rows = iter(rows)
    while chunk := list(islice(rows, ROW_GROUP)):
        yield chunk


def _one_line(row: EncodedRow) -> bool:
    return row.name.isprintable()


def _text(file: str | None) -> str | None:
    """A file's name as text that Arrow takes: bytes that are no UTF-8 are spelled out."""
    return file and file.encode("utf-8", "backslashreplace").decode()


def _save(row: EncodedRow, folder: Path, file: str | None) -> Path:
    """Write an image under its own name, or its number; where that is taken, under both."""
    path = folder / (file or f"{row.number:07d}{_suffix(row.content)}")
    if path.exists():
        path = path.with_name(f"{path.stem}-{row.number}{path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(row.content)
    return path


def _suffix(content: bytes) -> str:
    """By the format of the image; `.bin`, which no reader takes for an image, where unknown."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content)) as image:
            return f".{(image.format or 'bin').lower()}"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ".bin"


def _check_labels(class_names: tuple[str, ...], met: set[int]) -> None:
    for label in range(len(class_names) or max(met, default=0) + 1):
        if label not in met:
            raise no_images(label)

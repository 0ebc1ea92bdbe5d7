"""Export of encoded images: as parquet, as class folders, or as a CSV with image files."""

import io
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from PIL import Image

from .csv_cells import csv_bytes, escape_cell
from .encoded import EncodedImages, EncodedRow
from .writing import ROW_GROUP, class_folder_names, empty_class_error, parquet_schema


def write_parquet(images: EncodedImages, folder: Path) -> None:
    """Write `train.parquet` with the encoded images, their labels, and the class names."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = parquet_schema(images.class_names)
    with pq.ParquetWriter(folder / "train.parquet", schema) as file:
        for chunk in _chunks(images.rows):
            columns = {
                "image": [{"bytes": row.content, "path": _utf8(row.file)} for row in chunk],
                "label": [row.label for row in chunk],
            }
            file.write_table(pa.table(columns, schema=schema))


def write_folder(images: EncodedImages, folder: Path) -> None:
    """Write `train/CLASS/FILE`. Files keep their names; other images are named by row.

    Raises:
        InputError: a class has no images.
    """
    names = class_folder_names(images.class_names, len(images.class_names) or 1)
    labels: set[int] = set()
    for row in images.rows:
        labels.add(row.label)
        class_folder = names[row.label] if images.class_names else f"{row.label:05d}"
        _save(row, folder / "train" / class_folder, row.file)
    _check_classes(images.class_names, labels)


def write_csv(images: EncodedImages, folder: Path) -> None:
    """Write `train.csv` with columns `path` and `label`, and the image files to `images/`.

    Labels are class names if these are sorted, unique and plain text; otherwise they are numbers.
    Files keep their names if these fit on one line; otherwise they are named by row.

    Raises:
        InputError: a class has no images.
    """
    names = images.class_names
    plain = all(name.isprintable() and escape_cell(name.strip()) == name for name in names)
    use_names = names and plain and sorted(set(names)) == list(names)
    table: list[dict[str, str | int]] = []
    labels: set[int] = set()
    for row in images.rows:
        labels.add(row.label)
        keep_name = row.file and row.name.isprintable()
        path = _save(row, folder / "images", row.name if keep_name else None)
        label = names[row.label] if use_names else row.label
        table.append({"path": path.relative_to(folder).as_posix(), "label": label})
    _check_classes(images.class_names, labels)
    (folder / "train.csv").write_bytes(csv_bytes(("path", "label"), table))


WRITERS: dict[str, Callable[[EncodedImages, Path], None]] = {
    "parquet": write_parquet,
    "folder": write_folder,
    "csv": write_csv,
}


def _chunks(rows: Iterable[EncodedRow]) -> Iterator[list[EncodedRow]]:
    rows = iter(rows)
    while chunk := list(islice(rows, ROW_GROUP)):
        yield chunk


def _utf8(file: str | None) -> str | None:
    """Return a file name that Arrow accepts: bytes that are not UTF-8 are escaped."""
    return file and file.encode("utf-8", "backslashreplace").decode()


def _save(row: EncodedRow, folder: Path, file: str | None) -> Path:
    """Write an image under `file`, or its row number if that is None; both if the name is taken."""
    path = folder / (file or f"{row.number:07d}{_suffix(row.content)}")
    if path.exists():
        path = path.with_name(f"{path.stem}-{row.number}{path.suffix}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(row.content)
    return path


def _suffix(content: bytes) -> str:
    """Return a suffix for the image's format; `.bin`, which no reader opens, if unknown."""
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(content)) as image:
            return f".{(image.format or 'bin').lower()}"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ".bin"


def _check_classes(class_names: tuple[str, ...], labels: set[int]) -> None:
    """Raise if a class has no images."""
    for label in range(len(class_names) or max(labels, default=0) + 1):
        if label not in labels:
            raise empty_class_error(label)

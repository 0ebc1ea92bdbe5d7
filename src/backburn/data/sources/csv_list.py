"""Reader for CSV, TSV and JSON Lines files with paths and labels of images."""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from ...errors import InputError, first_line, printable
from ..labels import labels_from_text
from ..undecoded_rows import Row, Rows
from .folder import is_inside

PATH_COLUMNS = (
    "path", "image", "file", "filename", "file_name", "filepath", "file_path", "image_path", "img",
    "img_path", "image_file", "image_name",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "class", "labels", "target", "category", "class_name", "class_id", "classid",
)  # fmt: skip
SPLIT_COLUMNS = ("split", "subset")
DELIMITERS = ",;\t|"
METADATA_FILES = ("metadata.csv", "metadata.jsonl")
"""Tables in a folder of images, as in Hugging Face's `imagefolder` layout."""


def open_table(path: Path, split: str = "train") -> Rows:
    """Return the rows of a table with a header that has a path and a label column.

    Paths are relative to the table's folder. Labels are whole numbers from 0, or class names, which
    are numbered in alphabetical order. If the table has a split column, only the rows of `split`
    are returned; all rows if there are none of it.

    Raises:
        InputError: a column is missing, a path leaves the folder, or a row has no label.
    """
    header, entries = _read_jsonl(path) if path.suffix.lower() == ".jsonl" else _read_csv(path)
    path_column, label_column = (
        _column(header, names, path) for names in (PATH_COLUMNS, LABEL_COLUMNS)
    )
    root = path.parent.resolve()
    files = [_relative_path(entry[path_column], root, path) for entry in entries]
    texts = [entry[label_column].strip() for entry in entries]
    labels, class_names = labels_from_text(texts, str(path), files)
    selected = _rows_of_split(header, entries, split)

    def read() -> Iterator[Row]:
        for row in selected:
            yield Row(files[row], root / files[row], labels[row])

    return Rows(str(path), read, class_names)


def find_metadata(folder: Path) -> Path | None:
    """Return the table of labels in a folder of images, or None."""
    for name in METADATA_FILES:
        path = folder / name
        if path.is_file():
            header, _ = _read_jsonl(path) if path.suffix == ".jsonl" else _read_csv(path)
            if any(name in header for name in LABEL_COLUMNS):
                return path
    return None


def _rows_of_split(header: list[str], entries: list[list[str]], split: str) -> list[int]:
    column = next((header.index(name) for name in SPLIT_COLUMNS if name in header), None)
    rows = list(range(len(entries)))
    selected = [k for k in rows if column is not None and entries[k][column].strip() == split]
    return selected or rows


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return header and rows; the delimiter is the most frequent one of the header."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            delimiter = max(
                DELIMITERS, key=lambda sign: (first.count(sign), -DELIMITERS.index(sign))
            )
            file.seek(0)
            table = list(csv.reader(file, delimiter=delimiter))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table: {first_line(error)}") from None
    header = [name.strip().lower() for name in (table[0] if table else [])]
    entries = [entry for entry in table[1:] if entry]
    needed = [header.index(name) for name in (*PATH_COLUMNS, *LABEL_COLUMNS) if name in header]
    if short := next((entry for entry in entries if len(entry) <= max(needed, default=0)), None):
        raise InputError(f"{path}: no label in {printable(','.join(short)[:80])!r}: give one a row")
    return header, [entry + [""] * (len(header) - len(entry)) for entry in entries]


def _read_jsonl(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a file with one JSON object per line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        objects = [json.loads(line) for line in lines if line.strip()]
        if not all(isinstance(entry, dict) for entry in objects):
            raise ValueError("a line that is no object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as lines of JSON: {first_line(error)}") from None
    keys = list(dict.fromkeys(key for entry in objects for key in entry))
    entries = [
        ["" if entry.get(key) is None else str(entry[key]) for key in keys] for entry in objects
    ]
    return [key.strip().lower() for key in keys], entries


def _column(header: list[str], names: tuple[str, ...], path: Path) -> int:
    """Return the index of the first of these names in the header."""
    for name in names:
        if name in header:
            return header.index(name)
    shown = printable(", ".join(header)[:80]) or "nothing"
    wanted = "path (or image, file, file_name ...), and label (or class, target ...)"
    raise InputError(f"{path} needs a header with {wanted}; found: {shown}")


def _relative_path(file: str, root: Path, path: Path) -> str:
    """Return the path relative to the table's folder; backslashes may be separators."""
    posix = file.strip()
    if "\\" in posix and not (root / posix).exists():
        posix = posix.replace("\\", "/")
    if PurePosixPath(posix).is_absolute() and is_inside(Path(posix), root):
        posix = os.path.relpath(Path(posix).resolve(), root)
    # a file that does not exist is skipped later, when it is read
    absolute = PurePosixPath(posix).is_absolute() or PureWindowsPath(posix).anchor
    if absolute or ".." in PureWindowsPath(posix).parts or not is_inside(root / posix, root):
        raise InputError(
            f"{path}: {printable(file[:80])!r} leaves the table's folder: give paths inside of it"
        )
    return posix

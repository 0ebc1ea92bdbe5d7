"""A CSV or TSV file of paths and labels."""

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from ...errors import InputError, first_line, printable
from ..labels import from_texts
from ..rows import Row, Rows
from .folder import inside

PATHS = (
    "path", "image", "file", "filename", "file_name", "filepath", "file_path", "image_path", "img",
    "img_path", "image_file", "image_name",
)  # fmt: skip
LABELS = ("label", "class", "labels", "target", "category", "class_name", "class_id", "classid")
SPLITS = ("split", "subset")
DELIMITERS = ",;\t|"
METADATA = ("metadata.csv", "metadata.jsonl")
"""Tables in a folder of images, as Hugging Face's `imagefolder` has them."""


def listed(path: Path, split: str = "train") -> Rows:
    """Rows of a table with a header: an image's path, from the table's folder, and its label.

    Labels are whole numbers from 0, or names of classes, which are numbered in alphabetical order.
    Of a table with a column `split` these are the rows of that one, if there are any.
    Raises:
        InputError: other columns, a path that leaves the folder, rows without a label.
    """
    header, entries = _jsonl(path) if path.suffix.lower() == ".jsonl" else _table(path)
    where, what = (_column(header, known, path) for known in (PATHS, LABELS))
    root = path.parent.resolve()
    files = [_inside(entry[where], root, path) for entry in entries]
    labels, names = from_texts([entry[what].strip() for entry in entries], str(path), files)
    chosen = _of_split(header, entries, split)

    def read() -> Iterator[Row]:
        for row in chosen:
            yield Row(files[row], root / files[row], labels[row])

    return Rows(str(path), read, names)


def metadata_of(folder: Path) -> Path | None:
    """The table of labels in a folder of images, if there is one."""
    for name in METADATA:
        path = folder / name
        if path.is_file():
            header, _ = _jsonl(path) if path.suffix == ".jsonl" else _table(path)
            if any(name in header for name in LABELS):
                return path
    return None


def _of_split(header: list[str], entries: list[list[str]], split: str) -> list[int]:
    column = next((header.index(name) for name in SPLITS if name in header), None)
    rows = list(range(len(entries)))
    chosen = [k for k in rows if column is not None and entries[k][column].strip() == split]
    return chosen or rows


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table whose cells are parted by what its header has the most of."""
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
    needed = [header.index(name) for name in (*PATHS, *LABELS) if name in header]
    if short := next((entry for entry in entries if len(entry) <= max(needed, default=0)), None):
        raise InputError(f"{path}: no label in {printable(','.join(short)[:80])!r}: give one a row")
    return header, [entry + [""] * (len(header) - len(entry)) for entry in entries]


def _jsonl(path: Path) -> tuple[list[str], list[list[str]]]:
    """The same of a file with one JSON object a line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        found = [json.loads(line) for line in lines if line.strip()]
        if not all(isinstance(entry, dict) for entry in found):
            raise ValueError("a line that is no object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as lines of JSON: {first_line(error)}") from None
    header = list(dict.fromkeys(key for entry in found for key in entry))
    cells = [
        ["" if entry.get(key) is None else str(entry[key]) for key in header] for entry in found
    ]
    return [name.strip().lower() for name in header], cells


def _column(header: list[str], known: tuple[str, ...], path: Path) -> int:
    for name in known:
        if name in header:
            return header.index(name)
    found = printable(", ".join(header)[:80]) or "nothing"
    wanted = "path (or image, file, file_name ...), and label (or class, target ...)"
    raise InputError(f"{path} needs a header with {wanted}; found: {found}")


def _inside(file: str, root: Path, path: Path) -> str:
    """The path from the table's folder, however the table says it."""
    posix = file.strip()
    if "\\" in posix and not (root / posix).exists():
        posix = posix.replace("\\", "/")
    if PurePosixPath(posix).is_absolute() and inside(Path(posix), root):
        posix = os.path.relpath(Path(posix).resolve(), root)
    # what is not there is skipped when it is read
    foreign = PurePosixPath(posix).is_absolute() or PureWindowsPath(posix).anchor
    if foreign or ".." in PureWindowsPath(posix).parts or not inside(root / posix, root):
        raise InputError(
            f"{path}: {printable(file[:80])!r} leaves the table's folder: give paths inside of it"
        )
    return posix

"""A CSV or TSV file of paths and labels."""

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..errors import InputError, first_line, printable
from .labels import from_texts
from .rows import Row, Rows
from .trees import inside

PATHS = ("path", "image", "file", "filename")
LABELS = ("label", "class")


def listed(path: Path) -> Rows:
    """Rows of a table with a header: an image's path, from the table's folder, and its label.

    Labels are whole numbers from 0, or names of classes, which are numbered in alphabetical order.
    Raises:
        InputError: other columns, a path that leaves the folder, labels of both kinds.
    """
    table = _table(path)
    header = [name.strip().lower() for name in (table[0] if table else [])]
    where, what = (_column(header, known, path) for known in (PATHS, LABELS))
    entries = [entry for entry in table[1:] if entry]
    if short := next((entry for entry in entries if len(entry) <= max(where, what)), None):
        raise InputError(f"{path}: no label in {printable(','.join(short)[:80])!r}: give one a row")
    files = [entry[where] for entry in entries]
    root = path.parent.resolve()
    for file in files:
        _refuse_outside(file, root, path)
    labels, names = from_texts([entry[what].strip() for entry in entries], str(path))

    def read() -> Iterator[Row]:
        for file, label in zip(files, labels, strict=True):
            yield Row(file, root / file, label)

    return Rows(str(path), read, names)


def _table(path: Path) -> list[list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.reader(file, "excel-tab" if path.suffix.lower() == ".tsv" else "excel"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table: {first_line(error)}") from None


def _column(header: list[str], known: tuple[str, ...], path: Path) -> int:
    for name in known:
        if name in header:
            return header.index(name)
    found = printable(", ".join(header)[:80]) or "nothing"
    wanted = f"{' or '.join(PATHS)}, and {' or '.join(LABELS)}"
    raise InputError(f"{path} needs a header with {wanted}; found: {found}")


def _refuse_outside(file: str, root: Path, path: Path) -> None:
    absolute = PurePosixPath(file).is_absolute() or PureWindowsPath(file).anchor
    # what is not there is skipped when it is read
    if absolute or ".." in PureWindowsPath(file).parts or not inside(root / file, root):
        raise InputError(
            f"{path}: {printable(file[:80])!r} leaves the table's folder: give paths inside of it"
        )

"""CSV tables whose cells no spreadsheet takes for a formula.

A text cell that starts with = + - @, a tab or a line end gets an apostrophe in front. Numbers are
left alone. A cell that starts with apostrophes and then such a character gets one more, so that
reading restores every cell exactly.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, first_line

FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
ESCAPED_FORMULA = re.compile(r"''*[=+\-@\t\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf", re.ASCII)


def escape_cell(cell: Any) -> Any:
    """Return the cell as it can be written; values that are not text are unchanged.

    >>> escape_cell("=1+1"), escape_cell("-1.5"), escape_cell("cat")
    ("'=1+1", '-1.5', 'cat')
    """
    if not isinstance(cell, str) or NUMBER.fullmatch(cell) or not FORMULA.match(cell):
        return cell
    return f"'{cell}"


def unescape_cell(cell: str) -> str:
    """Undo `escape_cell`.

    >>> unescape_cell("'=1+1")
    '=1+1'
    """
    return cell[1:] if ESCAPED_FORMULA.match(cell) else cell


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the rows as CSV text with a header of the column names.

    >>> csv_text(("path", "label"), [{"path": "a.png", "label": 3}])
    'path,label\\na.png,3\\n'
    """
    escaped = [{escape_cell(k): escape_cell(v) for k, v in row.items()} for row in rows]
    # Python before 3.13 does not quote a lone carriage return, and reads it back as a line end
    cells = (cell for row in escaped for cell in row.values() if isinstance(cell, str))
    needs_quotes = any("\r" in cell for cell in cells)
    out = io.StringIO()
    writer = csv.DictWriter(
        out,
        [escape_cell(column) for column in columns],
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if needs_quotes else csv.QUOTE_MINIMAL,
    )
    writer.writeheader()
    writer.writerows(escaped)
    return out.getvalue()


def csv_bytes(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return `csv_text` in UTF-8; file names that are not valid UTF-8 keep their bytes."""
    return csv_text(columns, rows).encode("utf-8", "surrogateescape")


def read_csv(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read the given columns of a file that `csv_bytes` wrote.

    A byte-order mark, which spreadsheets add, is ignored.

    Raises:
        InputError: the file is missing or not CSV, or a row lacks one of the columns.
    """
    rows, header = _read(path)
    if lacking := [name for name in columns if header.count(name) != 1]:
        raise InputError(f"{path} needs the column {lacking[0]} once: give a table that has it")
    for number, row in enumerate(rows, 1):
        missing = [name for name in columns if row.get(name) is None]
        if missing or None in row:
            raise InputError(
                f"row {number} of {path} is not whole: it needs the columns {', '.join(columns)}"
            )
    return [{name: unescape_cell(row[name]) for name in columns} for row in rows]


def read_column_names(path: Path) -> list[str]:
    """Read the column names of a CSV file.

    Raises:
        InputError: the file is missing or not CSV.
    """
    return [unescape_cell(name) for name in _read(path)[1]]


def _read(path: Path) -> tuple[list[dict[Any, Any]], list[str]]:
    """Return rows and header as they are in the file; surplus cells have the key None."""
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.DictReader(file, strict=True)
            return list(reader), list(reader.fieldnames or ())
    except (OSError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV: {first_line(error)}") from None

"""Tables as CSV in which no cell is a formula to a spreadsheet; read back, cells are as they were.

A cell that starts with = + - @, a tab or a line end, and is no number, gets an apostrophe in front;
so does one that starts with apostrophes and then one of these, so that reading can undo it.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError, first_line

FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
GUARDED = re.compile(r"''*[=+\-@\t\r\n]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf", re.ASCII)


def neutral(cell: Any) -> Any:
    """The cell as it can be written; values that are no text are left alone."""
    if not isinstance(cell, str) or NUMBER.fullmatch(cell) or not FORMULA.match(cell):
        return cell
    return f"'{cell}"


def plain(cell: str) -> str:
    """What `neutral` was given."""
    return cell[1:] if GUARDED.match(cell) else cell


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV, with a head of the columns' names."""
    safe = [{neutral(k): neutral(v) for k, v in row.items()} for row in rows]
    # Python before 3.13 leaves a lone carriage return bare, and reads it back as a line end
    bare = any("\r" in cell for row in safe for cell in row.values() if isinstance(cell, str))
    out = io.StringIO()
    table = csv.DictWriter(
        out,
        [neutral(column) for column in columns],
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL,
    )
    table.writeheader()
    table.writerows(safe)
    return out.getvalue()


def csv_bytes(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """`csv_text` in UTF-8; file names that are no UTF-8 keep their bytes."""
    return csv_text(columns, rows).encode("utf-8", "surrogateescape")


def read_csv(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Rows that `csv_bytes` wrote; a spreadsheet may have put a byte-order mark first since.

    Raises:
        InputError: no such file, no CSV, or one without these columns in every row.
    """
    found, head = _table(path)
    if lacking := [name for name in columns if head.count(name) != 1]:
        raise InputError(f"{path} needs the column {lacking[0]} once: give a table that has it")
    for number, row in enumerate(found, 1):
        missing = [name for name in columns if row.get(name) is None]
        if missing or None in row:
            raise InputError(
                f"row {number} of {path} is not whole: it needs the columns {', '.join(columns)}"
            )
    return [{name: plain(row[name]) for name in columns} for row in found]


def head_of(path: Path) -> list[str]:
    """The names of a table's columns.

    Raises:
        InputError: no such file, or no CSV.
    """
    return [plain(name) for name in _table(path)[1]]


def _table(path: Path) -> tuple[list[dict[Any, Any]], list[str]]:
    """Rows and head as they are; cells without a name, as `csv` does it, are those of None."""
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            table = csv.DictReader(file, strict=True)
            return list(table), list(table.fieldnames or ())
    except (OSError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as CSV: {first_line(error)}") from None

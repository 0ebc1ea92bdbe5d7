"""The figures that can be drawn from what is written in a run."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from ..data.cells import read_csv
from ..errors import InputError, first_line
from ..runs import RECORD, read_record
from ..types import Phase
from .figures import DRAWINGS, drawn_files
from .tables import Rows, round_rows

COLUMNS: Mapping[str, Mapping[str, Callable[[str], object]]] = {
    "distances": {"group": str, "distance": float},
    "crossed_labels": {"group": str, "label": str, "share": float},
    "embedding": {"group": str, "x": float, "y": float},
    "rounds": {"round": int, "suspects": int, "discrepancy": lambda cell: cell and float(cell)},
}
"""The columns of each figure's CSV, and what their cells are."""


def run_files(run: Path) -> dict[str, bytes]:
    """Pictures and their numbers, by file name.

    Raises:
        InputError: no run there, a damaged one, or one with nothing to draw.
    """
    record = read_record(run)
    if record.command == "figures":
        tables = {name: _read(run / f"{name}.csv", name) for name in DRAWINGS}
    else:
        tables = {"distances": _suspects(run), "rounds": _rounds(run, record.metrics)}
    files = drawn_files({name: rows for name, rows in tables.items() if rows})
    if not files:
        raise InputError(f"{run} has nothing to draw: give a run of figures, audit or repair")
    return files


def _read(file: Path, name: str) -> Rows:
    """A figure's rows; none where the case had no numbers for it."""
    if not file.is_file():
        return []
    kinds = COLUMNS[name]
    try:
        return [
            {column: kind(row[column]) for column, kind in kinds.items()}
            for row in read_csv(file, tuple(kinds))
        ]
    except ValueError as error:
        raise InputError(f"{file} cannot be read: {first_line(error)}") from error


def _suspects(run: Path) -> Rows:
    """Distances of the suspects, as far as their boundary was searched."""
    file = run / "suspects.csv"
    if not file.is_file():
        return []
    try:
        found = [float(row["distance"]) for row in read_csv(file, ("distance",))]
    except ValueError as error:
        raise InputError(f"{file} has a distance that is no number") from error
    return [{"group": "suspect", "distance": each} for each in found if 0 < each < math.inf]


def _rounds(run: Path, metrics: Mapping[str, object]) -> Rows:
    try:
        return round_rows(msgspec.convert(metrics.get("history") or (), tuple[Phase, ...]))
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise InputError(f"{run / RECORD} has a history that cannot be read: {error}") from error

"""The figures that can be drawn from what is written in a run."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from ..data.csv_cells import read_csv
from ..errors import InputError, first_line
from ..runs import RECORD, Record, own, read_record
from ..types import Phase
from .figure_tables import Rows, point_rows, round_rows
from .figures import DRAWINGS, drawn_files
from .gallery_files import read_gallery

COLUMNS: Mapping[str, Mapping[str, Callable[[str], object]]] = {
    "distances": {"group": str, "distance": float},
    "crossed_labels": {"group": str, "label": str, "share": float},
    "embedding": {"group": str, "x": float, "y": float},
    "rounds": {"round": int, "suspects": int, "discrepancy": lambda cell: cell and float(cell)},
}
"""The columns of each figure's CSV, and what their cells are."""


def run_files(run: Path) -> dict[str, bytes]:
    """Pictures and their numbers, by file name; none where there is nothing to draw.

    Raises:
        InputError: no run there, or a damaged one.
    """
    record = read_record(run)
    if record.command == "figures":
        tables = {name: _read(own(run, f"{name}.csv"), name) for name in DRAWINGS}
    else:
        tables = _gallery_tables(run, record)
    return drawn_files(tables)


def _gallery_tables(run: Path, record: Record) -> dict[str, Rows]:
    """The numbers of the figures that a report shows."""
    gallery = read_gallery(run)
    distances = [
        {"group": name, "distance": each}
        for name, values in gallery.distances.items()
        for each in values
    ]
    try:
        history = msgspec.convert(record.metrics.get("history") or (), tuple[Phase, ...])
        rounds = round_rows(history)
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise InputError(f"{run / RECORD} has a history that cannot be read: {error}") from error
    return {
        "distances": distances,
        "embedding": point_rows(gallery.embedding),
        "rounds": rounds,
    }


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

"""The figures that can be drawn from the files of a run."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from ..data.csv_cells import read_csv
from ..errors import InputError, first_line
from ..results import Phase
from ..runs import RECORD, Record, path_in_run, read_record
from .figure_tables import Rows, point_rows, round_rows
from .gallery_files import read_gallery
from .paper_figures import PLOT_FUNCTIONS, files_from_tables

TABLE_COLUMNS: Mapping[str, Mapping[str, Callable[[str], object]]] = {
    "distances": {"group": str, "distance": float},
    "crossed_labels": {"group": str, "label": str, "share": float},
    "embedding": {"group": str, "x": float, "y": float},
    "rounds": {"round": int, "suspects": int, "discrepancy": lambda cell: cell and float(cell)},
}
"""The columns of each figure's CSV, and the type of their cells."""


def run_figure_files(run: Path) -> dict[str, bytes]:
    """Return the figures of a run with their numbers, by file name; empty if there are none.

    Raises:
        InputError: there is no run, or it is damaged.
    """
    record = read_record(run)
    if record.command == "figures":
        tables = {
            name: _read_table(path_in_run(run, f"{name}.csv"), name) for name in PLOT_FUNCTIONS
        }
    else:
        tables = _gallery_tables(run, record)
    return files_from_tables(tables)


def _gallery_tables(run: Path, record: Record) -> dict[str, Rows]:
    """Return the tables that follow from the gallery and the history in the record."""
    gallery = read_gallery(run)
    distances = [
        {"group": name, "distance": distance}
        for name, values in gallery.distances.items()
        for distance in values
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


def _read_table(file: Path, name: str) -> Rows:
    """Read a figure's rows; empty if the case had no numbers for it."""
    if not file.is_file():
        return []
    columns = TABLE_COLUMNS[name]
    try:
        return [
            {column: convert(row[column]) for column, convert in columns.items()}
            for row in read_csv(file, tuple(columns))
        ]
    except ValueError as error:
        raise InputError(f"{file} cannot be read: {first_line(error)}") from error

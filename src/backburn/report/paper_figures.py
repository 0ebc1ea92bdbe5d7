"""The figures of the BURN paper for one case, as PNG and SVG with their numbers as CSV."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..results import Phase
from .figure_data import FigureData
from .figure_files import render_figure, rows_to_csv
from .figure_plots import draw_crossed, draw_distances, draw_embedding, draw_rounds
from .figure_tables import (
    Rows,
    crossed_rows,
    distance_rows,
    embedding_rows,
    evidence_rows,
    round_rows,
)

PLOT_FUNCTIONS: Mapping[str, Callable[[Any, Rows], None]] = {
    "distances": draw_distances,
    "crossed_labels": draw_crossed,
    "embedding": draw_embedding,
    "rounds": draw_rounds,
}


def figure_files(
    data: FigureData, history: Sequence[Phase], class_names: Sequence[str] = ()
) -> dict[str, bytes]:
    """Return the files of all figures that the case has numbers for, by file name.

    Args:
        data: the measured images.
        history: phases of a repair; empty for an audit.
        class_names: names of the classes; without them labels are numbers.
    Raises:
        InputError: matplotlib isn't installed.
    """
    aurocs = [{"measure": name, "auroc": round(value, 4)} for name, value in data.aurocs().items()]
    files = {"evidence.csv": rows_to_csv(evidence_rows(data))}
    if aurocs:
        files["auroc.csv"] = rows_to_csv(aurocs)
    tables = {
        "distances": distance_rows(data),
        "crossed_labels": crossed_rows(data, class_names),
        "embedding": embedding_rows(data),
        "rounds": round_rows(history),
    }
    return files | files_from_tables(tables)


def files_from_tables(tables: Mapping[str, Rows]) -> dict[str, bytes]:
    """Return CSV, PNG and SVG of the tables that have rows, by file name.

    Args:
        tables: rows by figure name, see `PLOT_FUNCTIONS`.
    Raises:
        InputError: matplotlib isn't installed.
    """
    files: dict[str, bytes] = {}
    for name, rows in tables.items():
        if rows:
            files[f"{name}.csv"] = rows_to_csv(rows)
            files |= render_figure(name, rows, PLOT_FUNCTIONS[name])
    return files

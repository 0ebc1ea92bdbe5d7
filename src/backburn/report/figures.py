"""The figures of BURN's paper for one case, as PNG and SVG with their numbers as CSV."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..types import Phase
from .figure_data import Portrait
from .figure_files import csv_of, pictures_of
from .figure_plots import draw_crossed, draw_distances, draw_embedding, draw_rounds
from .figure_tables import (
    Rows,
    crossed_rows,
    distance_rows,
    embedding_rows,
    evidence_rows,
    round_rows,
)

DRAWINGS: Mapping[str, Callable[[Any, Rows], None]] = {
    "distances": draw_distances,
    "crossed_labels": draw_crossed,
    "embedding": draw_embedding,
    "rounds": draw_rounds,
}


def figure_files(
    portrait: Portrait, history: Sequence[Phase], class_names: Sequence[str] = ()
) -> dict[str, bytes]:
    """The files of every figure that the case has the numbers for, by name.

    Raises:
        InputError: matplotlib is not installed.
    """
    worth = [{"measure": k, "auroc": round(v, 4)} for k, v in portrait.aurocs().items()]
    files = {"evidence.csv": csv_of(evidence_rows(portrait))}
    if worth:
        files["auroc.csv"] = csv_of(worth)
    tables = {
        "distances": distance_rows(portrait),
        "crossed_labels": crossed_rows(portrait, class_names),
        "embedding": embedding_rows(portrait),
        "rounds": round_rows(history),
    }
    return files | drawn_files(tables)


def drawn_files(tables: Mapping[str, Rows]) -> dict[str, bytes]:
    """Numbers and pictures of the figures that have rows, by file name.

    Args:
        tables: rows by a name in `DRAWINGS`.
    Raises:
        InputError: matplotlib is not installed.
    """
    files: dict[str, bytes] = {}
    for name, rows in tables.items():
        if rows:
            files[f"{name}.csv"] = csv_of(rows)
            files |= pictures_of(name, rows, DRAWINGS[name])
    return files

"""The figures of BURN's paper for one case, as PNG and SVG with their numbers as CSV."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..data.cells import csv_bytes
from ..errors import InputError
from ..types import Phase
from .drawings import draw_crossed, draw_distances, draw_embedding, draw_rounds
from .portrait import Portrait
from .tables import Rows, crossed_rows, distance_rows, embedding_rows, evidence_rows, round_rows


def figure_files(
    portrait: Portrait, history: Sequence[Phase], class_names: Sequence[str] = ()
) -> dict[str, bytes]:
    """The files of every figure that the case has the numbers for, by name.

    Raises:
        InputError: matplotlib is not installed.
    """
    files = {
        "evidence.csv": _csv(evidence_rows(portrait)),
        "auroc.csv": _csv(
            {"measure": k, "auroc": round(v, 4)} for k, v in portrait.aurocs().items()
        ),
    }
    drawings: Mapping[str, tuple[Rows, Callable[[Any, Rows], None]]] = {
        "distances": (distance_rows(portrait), draw_distances),
        "crossed_labels": (crossed_rows(portrait, class_names), draw_crossed),
        "embedding": (embedding_rows(portrait), draw_embedding),
        "rounds": (round_rows(history), draw_rounds),
    }
    for name, (rows, draw) in drawings.items():
        if rows:
            files[f"{name}.csv"] = _csv(rows)
            files |= _pictures(name, rows, draw)
    return files


def _csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    rows = list(rows)
    return csv_bytes(tuple(rows[0]) if rows else (), rows)


def _pictures(name: str, rows: Rows, draw: Callable[[Any, Rows], None]) -> dict[str, bytes]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("figures need matplotlib: pip install 'backburn[figures]'") from error
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    draw(figure.subplots(), rows)
    files = {}
    for suffix in ("png", "svg"):
        out = io.BytesIO()
        # no date in the file, so that the same numbers make the same bytes
        undated = {"Date": None} if suffix == "svg" else None
        figure.savefig(out, format=suffix, dpi=130, metadata=undated)
        files[f"{name}.{suffix}"] = out.getvalue()
    return files

"""Rendering of one figure: its numbers as CSV, its picture as PNG and SVG."""

import io
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..data.csv_cells import csv_bytes
from ..errors import InputError
from .figure_tables import Rows

FIGURE_SIZE = (7.0, 4.2)
"""Default width and height in inches."""


def rows_to_csv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Format rows as CSV, with the columns of the first row.

    >>> rows_to_csv([{"round": 0, "suspects": 7}])
    b'round,suspects\\n0,7\\n'
    """
    rows = list(rows)
    return csv_bytes(tuple(rows[0]) if rows else (), rows)


def import_matplotlib() -> tuple[Any, Any]:
    """Import matplotlib and return its `rc_context` and `Figure`.

    Raises:
        InputError: matplotlib isn't installed.
    """
    # without a writable home folder it logs long warnings, but works
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("figures need matplotlib: pip install 'backburn[figures]'") from error
    return rc_context, Figure


def render_figure(
    name: str,
    rows: Rows,
    draw: Callable[[Any, Rows], None],
    size: tuple[float, float] = FIGURE_SIZE,
    panels: int = 1,
) -> dict[str, bytes]:
    """Render a figure as PNG and SVG, by file name. The same rows give the same bytes.

    Args:
        name: file name without suffix.
        rows: passed to `draw`.
        draw: draws the rows into axes; with several panels, it gets all of their axes.
        size: width and height in inches.
        panels: number of axes side by side.
    Raises:
        InputError: matplotlib isn't installed.
    """
    rc_context, Figure = import_matplotlib()  # noqa: N806
    figure = Figure(figsize=size, layout="constrained")
    draw(figure.subplots(ncols=panels, sharey=True), rows)
    files = {}
    # SVG has random identifiers and the current date, unless both are set
    with rc_context({"svg.hashsalt": name}):
        for suffix in ("png", "svg"):
            out = io.BytesIO()
            metadata = {"Date": None} if suffix == "svg" else None
            figure.savefig(out, format=suffix, dpi=130, metadata=metadata)
            files[f"{name}.{suffix}"] = out.getvalue()
    return files

"""A figure's numbers as CSV, and its picture as PNG and SVG."""

import io
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..data.csv_cells import csv_bytes
from ..errors import InputError
from .figure_tables import Rows

SIZE = (7.0, 4.2)


def csv_of(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as CSV, with the columns of the first."""
    rows = list(rows)
    return csv_bytes(tuple(rows[0]) if rows else (), rows)


def plotting() -> tuple[Any, Any]:
    """What pictures are made with: matplotlib's `rc_context` and `Figure`.

    Raises:
        InputError: matplotlib is not installed.
    """
    # without a home folder to write to, it says so at length, and does as well without
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError("figures need matplotlib: pip install 'backburn[figures]'") from error
    return rc_context, Figure


def pictures_of(
    name: str,
    rows: Rows,
    draw: Callable[[Any, Rows], None],
    size: tuple[float, float] = SIZE,
    panels: int = 1,
) -> dict[str, bytes]:
    """Both pictures, by file name; the same rows make the same bytes.

    Args:
        draw: draws the rows into axes; into several of them, side by side, with several `panels`.
        size: inches.
    Raises:
        InputError: matplotlib is not installed.
    """
    rc_context, Figure = plotting()  # noqa: N806
    figure = Figure(figsize=size, layout="constrained")
    draw(figure.subplots(ncols=panels, sharey=True), rows)
    files = {}
    # names within an SVG are random, and its date is now, unless they are set
    with rc_context({"svg.hashsalt": name}):
        for suffix in ("png", "svg"):
            out = io.BytesIO()
            undated = {"Date": None} if suffix == "svg" else None
            figure.savefig(out, format=suffix, dpi=130, metadata=undated)
            files[f"{name}.{suffix}"] = out.getvalue()
    return files

"""Figure of a benchmark's repairs: ASR and RA of each attack before and after, and when clean."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from ..benchmark.averaged_tables import attack_worked
from .comparison_figure import method_styles
from .figure_files import render_figure, rows_to_csv
from .figure_tables import Rows

PANELS = {"asr": "ASR (%)", "ra": "RA (%)"}
STAGES = ("before", "after", "clean")


def repair_files(rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return the figure `repairs` as CSV, PNG and SVG, by file name; empty if no attack worked.

    Args:
        rows: of `benchmark.cell_table.summary_rows`, for backburn's own methods.
    Raises:
        InputError: matplotlib isn't installed.
    """
    table = repair_rows(rows)
    if not table:
        return {}
    size = (9.0, 1.4 + 0.22 * len(_line_names(table)))
    return {
        "repairs.csv": rows_to_csv(table),
        **render_figure("repairs", table, draw_repairs, size, panels=len(PANELS)),
    }


def repair_rows(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """Return one row for each attack, rate and method, highest rates first.

    Scores are in percent, as means over the victims. Victims on which the attack failed are left
    out, because there is nothing to repair.
    """
    victims = sorted((row for row in rows if attack_worked(row)), key=_sort_key)
    table = []
    for (negative_rate, attack, method), group in groupby(victims, key=_sort_key):
        members = list(group)
        scores = {
            f"{score}_{stage}": _mean_percent([row[f"{score}_{stage}"] for row in members])
            for score in PANELS
            for stage in STAGES
        }
        counts = {"rate": -negative_rate, "method": method, "victims": len(members)}
        table.append({"attack": attack, **counts, **scores})
    return table


def _sort_key(row: Mapping[str, Any]) -> tuple[float, str, str]:
    return -row["rate"], row["attack"], row["method"]


def _mean_percent(values: Sequence[float | str]) -> float | str:
    measured = [value for value in values if isinstance(value, float)]
    return round(100 * fmean(measured), 2) if measured else ""


def draw_repairs(panels: Iterable[Any], rows: Rows) -> None:
    """Draw one line per attack, from a ring (before) to a dot (after), and a bar (clean model).

    Args:
        panels: matplotlib axes, one for each of `PANELS`.
        rows: of `repair_rows`.
    """
    names, methods = _line_names(rows), sorted({row["method"] for row in rows})
    for axes, (score, title) in zip(panels, PANELS.items(), strict=True):
        for method, style in method_styles(methods).items():
            members = [row for row in rows if row["method"] == method]
            if method == methods[0]:
                _draw_references(axes, members, score, names, style["color"])
            y, after = _line_positions(members, names), _column(members, f"{score}_after")
            axes.scatter(after, y, s=30, zorder=4, label=method, **style)
        axes.set(xlabel=title, xlim=(-3, 103), ylim=(len(names) - 0.5, -0.5))
        axes.set_yticks(range(len(names)), names)
        axes.grid(axis="x", alpha=0.25)
    legend = {"frameon": False, "fontsize": 8, "loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    axes.legend(**legend)


def _draw_references(axes: Any, rows: Rows, score: str, names: Sequence[str], color: str) -> None:
    """Draw the scores before the repair and of a clean model, and lines to those after it."""
    y = _line_positions(rows, names)
    before, after, clean = (_column(rows, f"{score}_{stage}") for stage in STAGES)
    ring = {"facecolors": "none", "edgecolors": "#555555"}
    axes.scatter(before, y, s=36, zorder=3, label="before", **ring)
    axes.scatter(clean, y, s=90, zorder=2, marker="|", color="black", label="clean model")
    axes.hlines(y, before, after, color=color, alpha=0.4, linewidth=1.2)


def _line_positions(rows: Rows, names: Sequence[str]) -> list[int]:
    return [names.index(_line_name(row)) for row in rows]


def _column(rows: Rows, name: str) -> list[float]:
    return [float("nan") if row[name] == "" else row[name] for row in rows]


def _line_name(row: Mapping[str, Any]) -> str:
    return f"{row['attack']} {100 * row['rate']:g} %"


def _line_names(rows: Rows) -> list[str]:
    return list(dict.fromkeys(map(_line_name, rows)))

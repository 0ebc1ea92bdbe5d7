"""What repairs do, drawn: each attack's ASR and RA before and after, beside a clean model's."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from ..benchmark.averages import has_worked
from .comparison_figure import looks
from .figure_files import csv_of, pictures_of
from .figure_tables import Rows

PANELS = {"asr": "ASR (%)", "ra": "RA (%)"}
STAGES = ("before", "after", "clean")


def repair_files(rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """`repairs` as CSV, PNG and SVG, by file name; empty where no attack has worked.

    Args:
        rows: as `benchmark.summary.summary_rows` makes them, of our methods.
    Raises:
        InputError: matplotlib is not installed.
    """
    shown = repair_rows(rows)
    if not shown:
        return {}
    size = (9.0, 1.4 + 0.22 * len(_names(shown)))
    return {
        "repairs.csv": csv_of(shown),
        **pictures_of("repairs", shown, draw_repairs, size, panels=len(PANELS)),
    }


def repair_rows(rows: Sequence[Mapping[str, Any]]) -> Rows:
    """A row an attack, rate and method, the higher rates first: per cent, means over its victims.

    Victims only: of an attack that has failed there is nothing to repair.
    """
    victims = sorted((row for row in rows if has_worked(row)), key=_place)
    return [
        {
            **{"attack": attack, "rate": -rate, "method": method, "victims": len(held)},
            **{
                f"{score}_{stage}": _mean([row[f"{score}_{stage}"] for row in held])
                for score in PANELS
                for stage in STAGES
            },
        }
        for (rate, attack, method), held in (
            (place, list(group)) for place, group in groupby(victims, key=_place)
        )
    ]


def _place(row: Mapping[str, Any]) -> tuple[float, str, str]:
    return -row["rate"], row["attack"], row["method"]


def _mean(values: Sequence[float | str]) -> float | str:
    known = [value for value in values if isinstance(value, float)]
    return round(100 * fmean(known), 2) if known else ""


def draw_repairs(panels: Iterable[Any], rows: Rows) -> None:
    """A line an attack: from the ring (before) to the dot (after); the bar is a clean model."""
    names, methods = _names(rows), sorted({row["method"] for row in rows})
    for axes, (score, title) in zip(panels, PANELS.items(), strict=True):
        for method, look in looks(methods).items():
            own = [row for row in rows if row["method"] == method]
            if method == methods[0]:
                _frame(axes, own, score, names, look["color"])
            at, after = _heights(own, names), _column(own, f"{score}_after")
            axes.scatter(after, at, s=30, zorder=4, label=method, **look)
        axes.set(xlabel=title, xlim=(-3, 103), ylim=(len(names) - 0.5, -0.5))
        axes.set_yticks(range(len(names)), names)
        axes.grid(axis="x", alpha=0.25)
    legend = {"frameon": False, "fontsize": 8, "loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    axes.legend(**legend)


def _frame(axes: Any, rows: Rows, score: str, names: Sequence[str], color: str) -> None:
    """What the first method began with, how far it came, and a clean model."""
    at = _heights(rows, names)
    before, after, clean = (_column(rows, f"{score}_{stage}") for stage in STAGES)
    ring = {"facecolors": "none", "edgecolors": "#555555"}
    axes.scatter(before, at, s=36, zorder=3, label="before", **ring)
    axes.scatter(clean, at, s=90, zorder=2, marker="|", color="black", label="clean model")
    axes.hlines(at, before, after, color=color, alpha=0.4, linewidth=1.2)


def _heights(rows: Rows, names: Sequence[str]) -> list[int]:
    return [names.index(_name(row)) for row in rows]


def _column(rows: Rows, name: str) -> list[float]:
    return [float("nan") if row[name] == "" else row[name] for row in rows]


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['attack']} {100 * row['rate']:g} %"


def _names(rows: Rows) -> list[str]:
    return list(dict.fromkeys(map(_name, rows)))

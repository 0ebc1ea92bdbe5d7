"""Accuracy against cost: which engine lies on the frontier."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt

MEASURES = {"ratio_mean": "mean", "ratio_median": "median", "ratio_p95": "95th percentile"}
SHORT = {"adv_lib ": "", "foolbox ": "fb ", "torchattacks ": "ta "}


def draw_frontier(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """One picture a norm, a row of it a victim, a column a measure."""
    for norm in dict.fromkeys(row["norm"] for row in rows):
        mine = [row for row in rows if row["norm"] == norm]
        victims = list(dict.fromkeys(row["victim"] for row in mine))
        size = (13, 4.2 * len(victims))
        figure, grid = plt.subplots(len(victims), len(MEASURES), figsize=size, squeeze=False)
        for line, victim in zip(grid, victims, strict=True):
            for axes, (key, title) in zip(line, MEASURES.items(), strict=True):
                _panel(axes, [row for row in mine if row["victim"] == victim], key)
                axes.set_title(f"{victim}: {title}", fontsize=10)
        figure.suptitle(f"Distance over the best known, L{norm}; lower and further left is better")
        figure.tight_layout()
        for suffix in ("png", "svg"):
            figure.savefig(out / f"frontier-L{norm}.{suffix}", dpi=110)
        plt.close(figure)


def _panel(axes: Any, rows: Sequence[dict[str, Any]], key: str) -> None:
    """Excess over the best known, both axes logarithmic."""
    for ours in (True, False):
        group = [row for row in rows if (row["engine"] == "backburn") == ours]
        group = sorted(group, key=lambda row: row["units"])
        excess = [max(row[key] - 1, 3e-4) for row in group]
        units = [row["units"] for row in group]
        color, style = ("#0072B2", "o-") if ours else ("#555555", "s")
        axes.plot(units, excess, style, color=color, markersize=5)
        for x, y, row in zip(units, excess, group, strict=True):
            axes.annotate(_label(row), (x, y), (4, 3), textcoords="offset points", fontsize=7)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("units (plain forward + backward passes, by time)")
    axes.set_ylabel("excess over the best known")
    axes.grid(alpha=0.25, which="both")


def _label(row: dict[str, Any]) -> str:
    name = row["budget"] or row["engine"]
    for long, short in SHORT.items():
        name = name.replace(long, short)
    return f"{name} ({row['found']:.1%} found)" if row["found"] < 1 else str(name)

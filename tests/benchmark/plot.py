"""Accuracy against cost: which engine lies on the frontier."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from table import read

mpl.use("agg")
import matplotlib.pyplot as plt

MEASURES = {"ratio_mean": "mean", "ratio_median": "median", "ratio_p95": "95th percentile"}
MARKERS = "sDv^<>PX*dp"
OURS = "#0072B2"
FLOOR = 3e-4
"""The best known itself has no logarithm; it is drawn here."""


def draw_frontier(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """One picture a norm, a row of it a victim, a column a measure."""
    for norm in dict.fromkeys(row["norm"] for row in rows):
        mine = [row for row in rows if row["norm"] == norm]
        victims = list(dict.fromkeys(row["victim"] for row in mine))
        peers = [name for name in dict.fromkeys(r["engine"] for r in mine) if name != "backburn"]
        figure, grid = plt.subplots(
            len(victims), len(MEASURES), figsize=(13, 4 * len(victims) + 1), squeeze=False
        )
        for line, victim in zip(grid, victims, strict=True):
            for axes, (key, title) in zip(line, MEASURES.items(), strict=True):
                _panel(axes, [row for row in mine if row["victim"] == victim], key, peers)
                axes.set_title(f"{victim}: {title}", fontsize=10)
        names, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(names, labels, loc="lower center", ncols=5, frameon=False, fontsize=9)
        figure.suptitle(f"Distance over the best known, L{norm}; lower and further left is better")
        figure.tight_layout(rect=(0, 0.09, 1, 1))
        for suffix in ("png", "svg"):
            figure.savefig(out / f"frontier-L{norm}.{suffix}", dpi=110)
        plt.close(figure)


def _panel(axes: Any, rows: Sequence[dict[str, Any]], key: str, peers: Sequence[str]) -> None:
    """Excess over the best known, both axes logarithmic."""
    ours = sorted((r for r in rows if r["engine"] == "backburn"), key=lambda r: float(r["units"]))
    points = [(float(row["units"]), _excess(row, key)) for row in ours]
    axes.plot(*zip(*points, strict=True), "o-", color=OURS, label="backburn")
    for point, row in zip(points, ours, strict=True):
        axes.annotate(row["budget"], point, (6, 3), textcoords="offset points", color=OURS)
    for place, name in enumerate(peers):
        (row,) = (row for row in rows if row["engine"] == name)
        color = plt.get_cmap("tab20b")(2 * place % 20)
        point = float(row["units"]), _excess(row, key)
        axes.plot(*point, MARKERS[place], color=color, markersize=7, label=name)
    axes.set(xscale="log", yscale="log", ylim=(FLOOR / 1.5, None))
    axes.set_xlabel("units (plain forward + backward passes, by time)")
    axes.set_ylabel("excess over the best known")
    axes.grid(alpha=0.25)


def _excess(row: dict[str, Any], key: str) -> float:
    return max(float(row[key]) - 1, FLOOR)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    draw_frontier(read(folder / "summary.csv"), folder)

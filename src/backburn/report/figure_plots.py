"""Rows into axes: one function a figure."""

from typing import Any

import torch

from .figure_tables import Rows

COLORS = {
    "clean": "#0072B2",
    "other": "#0072B2",
    "cover": "#999999",
    "poison": "#D55E00",
    "suspect": "#D55E00",
    "suspects": "#D55E00",
    "other images of their class": "#0072B2",
    "images of other classes": "#0072B2",
    "perturbed": "#009E73",
}
"""Okabe and Ito's, which the color-blind tell apart."""
BINS = 40


def _by_group(rows: Rows) -> dict[str, Rows]:
    names = dict.fromkeys(row["group"] for row in rows)
    return {name: [row for row in rows if row["group"] == name] for name in names}


def _color(group: str) -> str:
    return COLORS[group.split(",", maxsplit=1)[0]]


def draw_distances(axes: Any, rows: Rows) -> None:
    values = torch.tensor([row["distance"] for row in rows if row["distance"] > 0]).log10()
    edges = (10 ** torch.linspace(float(values.min()), float(values.max()), BINS + 1)).tolist()
    for group, held in _by_group(rows).items():
        far = "other classes" in group
        axes.hist(
            [row["distance"] for row in held],
            edges,
            density=False,
            weights=[1 / len(held)] * len(held),
            histtype="step" if far else "stepfilled",
            alpha=1 if far else 0.55,
            color=_color(group),
            label=f"{group} ({len(held)})",
        )
    axes.set(xscale="log", xlabel="boundary distance (L2)", ylabel="share of the group")
    axes.legend(frameon=False)


def draw_crossed(axes: Any, rows: Rows) -> None:
    groups = _by_group(rows)
    labels = list(dict.fromkeys(str(row["label"]) for row in rows))
    width = 0.8 / len(groups)
    for place, (group, held) in enumerate(groups.items()):
        at = [
            labels.index(str(row["label"])) + width * (place - (len(groups) - 1) / 2)
            for row in held
        ]
        axes.bar(at, [row["share"] for row in held], width, color=_color(group), label=group)
    crowded = len(labels) > 12 or max(map(len, labels)) > 6
    names = [label.replace("$", r"\$") for label in labels]  # a class's name is no formula
    axes.set_xticks(range(len(labels)), names, rotation=60 if crowded else 0)
    axes.set(xlabel="label behind the boundary", ylabel="share of the group")
    axes.legend(frameon=False)


def draw_embedding(axes: Any, rows: Rows) -> None:
    """Small groups are drawn over large ones, which would hide them."""
    groups = sorted(_by_group(rows).items(), key=lambda group: len(group[1]), reverse=True)
    for group, held in groups:
        x, y = ([row[name] for row in held] for name in ("x", "y"))
        axes.scatter(x, y, s=7, alpha=0.5, linewidths=0, color=_color(group), label=group)
    axes.set(xlabel="first principal component", ylabel="second")
    axes.legend(frameon=False, markerscale=3)


def draw_rounds(axes: Any, rows: Rows) -> None:
    rounds = [row["round"] for row in rows]
    axes.plot(rounds, [row["suspects"] for row in rows], "o-", color=COLORS["suspect"])
    most = max(row["suspects"] for row in rows)
    axes.set(xlabel="round of refinement", ylabel="suspects", xticks=rounds)
    axes.set_ylim(0, 1.15 * max(1, most))
    axes.yaxis.label.set_color(COLORS["suspect"])
    known = [row for row in rows if row["discrepancy"] != ""]
    right = axes.twinx()
    shares = [100 * row["discrepancy"] for row in known]
    right.plot([row["round"] for row in known], shares, "s--", color=COLORS["clean"])
    right.set_ylabel("target classes called otherwise (%)", color=COLORS["clean"])
    right.set_ylim(0, 1.3 * max([1.0, *shares]))

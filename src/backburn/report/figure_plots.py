"""Matplotlib plots of a case: boundary distances, crossed labels, embedding and rounds."""

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
"""Color of each group, from the color-blind safe palette of Okabe and Ito."""
BINS = 40


def _by_group(rows: Rows) -> dict[str, Rows]:
    names = dict.fromkeys(row["group"] for row in rows)
    return {name: [row for row in rows if row["group"] == name] for name in names}


def _color(group: str) -> str:
    return COLORS[group.split(",", maxsplit=1)[0]]


def draw_distances(axes: Any, rows: Rows) -> None:
    """Draw histograms of the boundary distance of each group.

    Args:
        axes: matplotlib axes.
        rows: of `figure_tables.distance_rows`.
    """
    values = torch.tensor([row["distance"] for row in rows if row["distance"] > 0]).log10()
    edges = (10 ** torch.linspace(float(values.min()), float(values.max()), BINS + 1)).tolist()
    for group, members in _by_group(rows).items():
        is_outline = "other classes" in group
        axes.hist(
            [row["distance"] for row in members],
            edges,
            density=False,
            weights=[1 / len(members)] * len(members),
            histtype="step" if is_outline else "stepfilled",
            alpha=1 if is_outline else 0.55,
            color=_color(group),
            label=f"{group} ({len(members)})",
        )
    axes.set(xscale="log", xlabel="boundary distance (L2)", ylabel="share of the group")
    axes.legend(frameon=False)


def draw_crossed(axes: Any, rows: Rows) -> None:
    """Draw the share of each label behind the boundary, as bars of each group.

    Args:
        axes: matplotlib axes.
        rows: of `figure_tables.crossed_rows`.
    """
    groups = _by_group(rows)
    labels = list(dict.fromkeys(str(row["label"]) for row in rows))
    width = 0.8 / len(groups)
    for position, (group, members) in enumerate(groups.items()):
        x = [
            labels.index(str(row["label"])) + width * (position - (len(groups) - 1) / 2)
            for row in members
        ]
        axes.bar(x, [row["share"] for row in members], width, color=_color(group), label=group)
    crowded = len(labels) > 12 or max(map(len, labels)) > 6
    names = [label.replace("$", r"\$") for label in labels]  # a class name is no formula
    axes.set_xticks(range(len(labels)), names, rotation=60 if crowded else 0)
    axes.set(xlabel="label behind the boundary", ylabel="share of the group")
    axes.legend(frameon=False)


def draw_embedding(axes: Any, rows: Rows) -> None:
    """Draw the embedding as points; small groups come last, so that large ones don't hide them.

    Args:
        axes: matplotlib axes.
        rows: of `figure_tables.embedding_rows`.
    """
    groups = sorted(_by_group(rows).items(), key=lambda group: len(group[1]), reverse=True)
    for group, members in groups:
        x, y = ([row[name] for row in members] for name in ("x", "y"))
        axes.scatter(x, y, s=7, alpha=0.5, linewidths=0, color=_color(group), label=group)
    axes.set(xlabel="first principal component", ylabel="second")
    axes.legend(frameon=False, markerscale=3)


def draw_rounds(axes: Any, rows: Rows) -> None:
    """Draw suspects and discrepancy over the rounds of refinement.

    Args:
        axes: matplotlib axes.
        rows: of `figure_tables.round_rows`.
    """
    rounds = [row["round"] for row in rows]
    axes.plot(rounds, [row["suspects"] for row in rows], "o-", color=COLORS["suspect"])
    largest = max(row["suspects"] for row in rows)
    axes.set(xlabel="round of refinement", ylabel="suspects", xticks=rounds)
    axes.set_ylim(0, 1.15 * max(1, largest))
    axes.yaxis.label.set_color(COLORS["suspect"])
    measured = [row for row in rows if row["discrepancy"] != ""]
    right = axes.twinx()
    shares = [100 * row["discrepancy"] for row in measured]
    right.plot([row["round"] for row in measured], shares, "s--", color=COLORS["clean"])
    right.set_ylabel("target classes called otherwise (%)", color=COLORS["clean"])
    right.set_ylim(0, 1.3 * max([1.0, *shares]))

"""Tables behind the figures, as rows of plain values."""

from collections.abc import Sequence
from typing import Any

import torch

from ..results import Phase
from ..types import Flags
from .embedding import Points, embed_features
from .figure_data import FigureData

Rows = list[dict[str, Any]]


def evidence_rows(data: FigureData) -> Rows:
    """Return every measure of every image."""
    measures = {name: values.tolist() for name, values in data.measures.items()}
    return [
        {
            "row": row,
            "group": data.group[k],
            "given_label": int(data.labels[k]),
            "crossed_label": int(data.crossed[k]),
            **{name: round(values[k], 5) for name, values in measures.items()},
        }
        for k, row in enumerate(data.rows.tolist())
    ]


def distance_rows(data: FigureData) -> Rows:
    """Return boundary distances by group; unmarked images are split into same class and others."""
    in_marked_class = _in_marked_class(data)
    distances = data.measures["distance"].exp().tolist()
    return [
        {
            "group": name if marked else f"{name}, {'same class' if same else 'other classes'}",
            "distance": round(distance, 5),
        }
        for name, marked, same, distance in zip(
            data.group, data.marked.tolist(), in_marked_class.tolist(), distances, strict=True
        )
    ]


def crossed_rows(data: FigureData, class_names: Sequence[str]) -> Rows:
    """Return the share of each label behind the boundary, by group, within the marked classes."""
    selected = _in_marked_class(data) & (data.crossed >= 0)
    groups = sorted(
        {name for name, chosen in zip(data.group, selected.tolist(), strict=True) if chosen}
    )
    rows = []
    for name in groups:
        members = selected & torch.tensor([group == name for group in data.group])
        shares = torch.bincount(data.crossed[members]) / members.sum()
        rows += [
            {
                "group": name,
                "label": class_names[label] if class_names else label,
                "share": round(share, 4),
            }
            for label, share in enumerate(shares.tolist())
        ]
    return rows


def _in_marked_class(data: FigureData) -> Flags:
    return torch.isin(data.labels, torch.tensor(data.marked_classes, dtype=torch.long))


def embedding_rows(data: FigureData) -> Rows:
    """Return the embedding of all images and of the marked ones perturbed; empty if impossible."""
    if data.before is None or data.after is None:
        return []
    marked = data.marked
    return point_rows(embed_features(data.group, data.before, marked, data.after[marked]))


def point_rows(points: Points) -> Rows:
    """Return the points of an embedding, group by group.

    >>> point_rows({"other": [(0.0, 1.0)]})
    [{'group': 'other', 'x': 0.0, 'y': 1.0}]
    """
    return [{"group": name, "x": x, "y": y} for name, members in points.items() for x, y in members]


def round_rows(history: Sequence[Phase]) -> Rows:
    """Return suspects and discrepancy after each round of refinement; empty without rounds.

    Round 0 is the restoration before, which has no discrepancy.
    """
    rounds = [phase.figures for phase in history if phase.name == "refinement"]
    restorations = [phase.figures for phase in history if phase.name == "restoration"]
    start = [
        {"round": 0, "suspects": int(figures["suspects"]), "discrepancy": ""}
        for figures in restorations
    ]
    return start * bool(rounds) + [
        {
            "round": number,
            "suspects": int(figures["suspects"]),
            "discrepancy": round(figures["discrepancy"], 4),
        }
        for number, figures in enumerate(rounds, 1)
    ]

"""The numbers behind each figure, as rows."""

from collections.abc import Sequence
from typing import Any

import torch

from ..types import Phase
from .embedding import Points, embedded
from .figure_data import Portrait

Rows = list[dict[str, Any]]


def evidence_rows(portrait: Portrait) -> Rows:
    """Every measure of every image."""
    measures = {name: values.tolist() for name, values in portrait.measures.items()}
    return [
        {
            "row": row,
            "group": portrait.group[place],
            "given_label": int(portrait.labels[place]),
            "crossed_label": int(portrait.crossed[place]),
            **{name: round(values[place], 5) for name, values in measures.items()},
        }
        for place, row in enumerate(portrait.rows.tolist())
    ]


def distance_rows(portrait: Portrait) -> Rows:
    """Boundary distances by group; clean images of the marked classes apart from the others."""
    within = torch.isin(portrait.labels, torch.tensor(portrait.marked_classes, dtype=torch.long))
    distance = portrait.measures["distance"].exp().tolist()
    return [
        {
            "group": name if mark else f"{name}, {'same class' if same else 'other classes'}",
            "distance": round(value, 5),
        }
        for name, mark, same, value in zip(
            portrait.group, portrait.marked.tolist(), within.tolist(), distance, strict=True
        )
    ]


def crossed_rows(portrait: Portrait, class_names: Sequence[str]) -> Rows:
    """How often each label lies behind the boundary of the marked classes' images, by group."""
    within = torch.isin(portrait.labels, torch.tensor(portrait.marked_classes, dtype=torch.long))
    within &= portrait.crossed >= 0
    groups = sorted(
        {g for g, inside in zip(portrait.group, within.tolist(), strict=True) if inside}
    )
    rows = []
    for name in groups:
        here = within & torch.tensor([g == name for g in portrait.group])
        counts = torch.bincount(portrait.crossed[here]) / here.sum()
        rows += [
            {
                "group": name,
                "label": class_names[label] if class_names else label,
                "share": round(share, 4),
            }
            for label, share in enumerate(counts.tolist())
        ]
    return rows


def embedding_rows(portrait: Portrait) -> Rows:
    """Two principal components of the features of all images, and of marked ones perturbed."""
    if portrait.before is None or portrait.after is None:
        return []
    marked = portrait.marked
    return point_rows(embedded(portrait.group, portrait.before, marked, portrait.after[marked]))


def point_rows(points: Points) -> Rows:
    """Places of an embedding, group by group."""
    return [{"group": name, "x": x, "y": y} for name, held in points.items() for x, y in held]


def round_rows(history: Sequence[Phase]) -> Rows:
    """Suspects and discrepancy after each round of refinement."""
    rounds = [phase.figures for phase in history if phase.name == "refinement"]
    first = [phase.figures for phase in history if phase.name == "restoration"]
    start = [{"round": 0, "suspects": int(f["suspects"]), "discrepancy": ""} for f in first]
    return start * bool(rounds) + [
        {
            "round": number,
            "suspects": int(figures["suspects"]),
            "discrepancy": round(figures["discrepancy"], 4),
        }
        for number, figures in enumerate(rounds, 1)
    ]

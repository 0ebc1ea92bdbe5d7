"""What the figures show of a case: some images of each kind, and their way to the boundary."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from ..boundary.distances import Search
from ..detection.boundary_statistics import (
    along_mean,
    class_centers,
    log_distance,
    logit_margin,
    restoration,
)
from ..executor.interface import HERE, Work
from ..metrics import auroc
from ..models.inference import penultimate, predict
from ..types import (
    BoundaryResult,
    Case,
    Evidence,
    Features,
    Flags,
    Index,
    Labels,
    PerImage,
    Progress,
    State,
    Truth,
    silent,
)
from .embedding import names_features

MARKED = ("poison", "suspect")


@dataclass(frozen=True, slots=True)
class Portrait:
    """Images of a case that the model calls by their label, and what can be measured of each.

    `group` is clean, cover or poison where the truth is known, and other or suspect elsewhere.
    `measures` are by name, one value an image; `before` and `after` the penultimate features of
    the images and of the perturbed images, where the model names them.
    """

    rows: Index
    group: tuple[str, ...]
    labels: Labels
    crossed: Labels
    measures: Mapping[str, PerImage]
    before: Features | None
    after: Features | None

    @property
    def marked(self) -> Flags:
        """The poison, or the suspects."""
        return torch.tensor([name in MARKED for name in self.group], dtype=torch.bool)

    @property
    def marked_classes(self) -> list[int]:
        """The classes that hold marked images."""
        return sorted(set(self.labels[self.marked].tolist()))

    def aurocs(self) -> dict[str, float]:
        """How well each measure alone tells the marked images from the others of their class.

        Mean over the classes that hold both, nothing where none does; above .5 where marked images
        have more of it.
        """
        marked = self.marked
        known = torch.tensor([name != "cover" for name in self.group])
        classes = [self.labels == label for label in self.marked_classes]
        of_class = [known & here for here in classes if bool((here & known & ~marked).any())]
        if not of_class:
            return {}
        return {
            name: fmean(auroc(values[rows], marked[rows]) for rows in of_class)
            for name, values in self.measures.items()
        }


def portray(
    case: Case,
    evidence: Evidence,
    truth: Truth | None,
    each: int,
    budget: str,
    generator: torch.Generator,
    progress: Progress = silent,
    work: Work = HERE,
) -> Portrait:
    """Draw at most `each` images of every group of every class, and search their boundary.

    Args:
        evidence: the detector's; its score is the measure `combined`.
        truth: the referee's, for pictures only.
        work: who searches.
    """
    logits = predict(case.model, case.images.pixels, phase="predict", progress=progress)
    labels = case.images.labels
    kinds = _kinds(evidence, truth)
    rows = _drawn(kinds, labels, logits.argmax(1) == labels, each, generator)
    pixels = case.images.pixels[rows]
    named = names_features(case.model)
    search, screen = Search(budget=budget, directions=True, features=named), Search(budget="screen")
    found = work.boundary(case.model, pixels, search, predictions=labels[rows], progress=progress)
    first = work.boundary(case.model, pixels, screen, predictions=labels[rows])
    before = penultimate(case.model, pixels) if named else None
    measures = {
        "distance": log_distance(found.distance),
        "first_order": log_distance(first.distance),
        "margin": logit_margin(logits[rows], labels[rows]),
        **_ways(found, labels[rows], before),
        "combined": evidence.score[rows],
    }
    measures = {name: values.nan_to_num(0, 0, 0) for name, values in measures.items()}
    names = tuple(kinds[row] for row in rows.tolist())
    return Portrait(rows, names, labels[rows], found.crossed_label, measures, before, found.feature)


def _kinds(evidence: Evidence, truth: Truth | None) -> list[str]:
    if truth is None:
        return ["suspect" if flag else "other" for flag in evidence.flagged.tolist()]
    return [State(state).name.lower() for state in truth.state.tolist()]


def _drawn(
    kinds: list[str], labels: Labels, agreed: Flags, each: int, generator: torch.Generator
) -> Tensor:
    """At most `each` rows of every kind in every class, in order."""
    chosen: dict[tuple[str, int], list[int]] = {}
    for row in torch.randperm(len(kinds), generator=generator).tolist():
        held = chosen.setdefault((kinds[row], int(labels[row])), [])
        if agreed[row] and len(held) < each:
            held.append(row)
    return torch.tensor(sorted(row for held in chosen.values() for row in held))


def _ways(found: BoundaryResult, labels: Labels, before: Features | None) -> dict[str, PerImage]:
    """What each way has in common with those of its class, in pixels and in features."""
    directions = found.direction
    if directions is None:
        raise ValueError("the boundary was measured without directions")
    out = {"pixel_direction": _within(directions.float(), labels)}
    if before is not None and found.feature is not None:
        shifts = (found.feature - before) * found.found[:, None]
        centers = class_centers(before, labels, found.crossed_label)
        out["feature_shift"] = _within(shifts, labels)
        out["restoration"] = restoration(before, found.feature, centers) * found.found
    return out


def _within(ways: Features, labels: Labels) -> PerImage:
    out = torch.zeros(len(ways))
    for label in sorted(set(labels.tolist())):
        out[labels == label] = along_mean(ways[labels == label])
    return out

"""Measurements behind the figures: images of each group, their boundary and their features."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import torch

from ..boundary.search_boundary import BoundarySearch
from ..detection.boundary_statistics import (
    class_centers,
    feature_recovery,
    log_distance,
    logit_margin,
    mean_alignment,
)
from ..executor.interface import LOCAL, Executor
from ..metrics import auroc
from ..models.inference import penultimate_features, predict
from ..results import Evidence
from ..types import (
    BoundaryResult,
    Case,
    Features,
    Flags,
    Index,
    Labels,
    PerImage,
    Progress,
    State,
    Truth,
    no_progress,
)
from .embedding import has_penultimate_features

MARKED_GROUPS = ("poison", "suspect")


@dataclass(frozen=True, slots=True)
class FigureData:
    """Some images that the model predicts as labeled, with their measures.

    Args:
        rows: their indices `(n,)` in the case.
        group: `clean`, `cover` or `poison` where the truth is known, else `other` or `suspect`.
        labels: their given labels `(n,)`.
        crossed: the labels `(n,)` behind their boundary, -1 if none was found.
        measures: values `(n,)` of each measure, by name.
        before: penultimate features `(n, d)`, None if the model has none.
        after: the same of the perturbed images.
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
        """Flags `(n,)` of the poison, or of the suspects."""
        return torch.tensor([name in MARKED_GROUPS for name in self.group], dtype=torch.bool)

    @property
    def marked_classes(self) -> list[int]:
        """The labels of marked images."""
        return sorted(set(self.labels[self.marked].tolist()))

    def aurocs(self) -> dict[str, float]:
        """Return the AUROC of each measure for marked images against others of their class.

        It is the mean over the classes that hold both, and empty if there are none. Values above
        0.5 mean that marked images have larger values. Cover images are left out.
        """
        marked = self.marked
        is_not_cover = torch.tensor([name != "cover" for name in self.group])
        classes = [is_not_cover & (self.labels == label) for label in self.marked_classes]
        classes = [members for members in classes if bool((members & ~marked).any())]
        if not classes:
            return {}
        return {
            name: fmean(auroc(values[members], marked[members]) for members in classes)
            for name, values in self.measures.items()
        }


def compute_figure_data(
    case: Case,
    evidence: Evidence,
    truth: Truth | None,
    images_per_group: int,
    budget: str,
    generator: torch.Generator,
    progress: Progress = no_progress,
    executor: Executor = LOCAL,
) -> FigureData:
    """Draw images of every group and class at random, and measure them.

    Args:
        case: the model and the images.
        evidence: of the detector; its score becomes the measure `combined`.
        truth: the true state of each image, used for the groups only.
        images_per_group: maximum number of images of each group in each class.
        budget: effort of the boundary search.
        generator: draws the images.
        progress: called during predictions and search.
        executor: runs the search.
    """
    logits = predict(case.model, case.images.pixels, phase="predict", progress=progress)
    labels = case.images.labels
    groups = _groups(evidence, truth)
    is_correct = logits.argmax(1) == labels
    rows = _draw_rows(groups, labels, is_correct, images_per_group, generator)
    pixels = case.images.pixels[rows]
    features = has_penultimate_features(case.model)
    search = BoundarySearch(budget=budget, directions=True, features=features)
    boundary = executor.search_boundary(
        case.model, pixels, search, predictions=labels[rows], progress=progress
    )
    screen = BoundarySearch(budget="screen")
    first_order = executor.search_boundary(case.model, pixels, screen, predictions=labels[rows])
    before = penultimate_features(case.model, pixels) if features else None
    measures = {
        "distance": log_distance(boundary.distance),
        "first_order": log_distance(first_order.distance),
        "margin": logit_margin(logits[rows], labels[rows]),
        **_direction_measures(boundary, labels[rows], before),
        "combined": evidence.score[rows],
    }
    return FigureData(
        rows=rows,
        group=tuple(groups[row] for row in rows.tolist()),
        labels=labels[rows],
        crossed=boundary.crossed_label,
        measures={name: values.nan_to_num(0, 0, 0) for name, values in measures.items()},
        before=before,
        after=boundary.feature,
    )


def _groups(evidence: Evidence, truth: Truth | None) -> list[str]:
    if truth is None:
        return ["suspect" if flagged else "other" for flagged in evidence.flagged.tolist()]
    return [State(state).name.lower() for state in truth.state.tolist()]


def _draw_rows(
    groups: list[str], labels: Labels, is_correct: Flags, count: int, generator: torch.Generator
) -> Index:
    """Draw at most `count` correctly predicted rows of every group in every class, sorted."""
    drawn: dict[tuple[str, int], list[int]] = {}
    for row in torch.randperm(len(groups), generator=generator).tolist():
        rows = drawn.setdefault((groups[row], int(labels[row])), [])
        if is_correct[row] and len(rows) < count:
            rows.append(row)
    return torch.tensor(sorted(row for rows in drawn.values() for row in rows))


def _direction_measures(
    boundary: BoundaryResult, labels: Labels, before: Features | None
) -> dict[str, PerImage]:
    """Measure what boundary directions have in common within a class, in pixels and features."""
    if boundary.direction is None:
        raise ValueError("the boundary was measured without directions")
    measures = {"pixel_direction": _alignment_by_class(boundary.direction.float(), labels)}
    if before is not None and boundary.feature is not None:
        shifts = (boundary.feature - before) * boundary.found[:, None]
        centers = class_centers(before, labels, boundary.crossed_label)
        recovery = feature_recovery(before, boundary.feature, centers)
        measures["feature_shift"] = _alignment_by_class(shifts, labels)
        measures["restoration"] = recovery * boundary.found
    return measures


def _alignment_by_class(directions: Features, labels: Labels) -> PerImage:
    alignment = torch.zeros(len(directions))
    for label in sorted(set(labels.tolist())):
        alignment[labels == label] = mean_alignment(directions[labels == label])
    return alignment

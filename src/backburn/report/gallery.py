"""The gallery of a run: its suspects with thumbnails, boundary distances and embedding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..boundary.concatenation import concatenate, offset_progress
from ..boundary.search_boundary import BoundarySearch
from ..executor.interface import LOCAL, Executor
from ..memory_mapped import copy_rows
from ..results import Audit, Suspects, Unlearned
from ..types import BoundaryResult, Case, Flags, Index, Pixels, Progress, no_progress
from .boundary_samples import render_perturbation, sample_boundary
from .embedding import Points, embed_suspects
from .thumbnails import shrink

MAX_PICTURED = 1000
"""Maximum number of suspects with thumbnails, those of highest score."""
BATCH_SIZE = 128
"""Number of suspects whose full-size perturbations are in memory at a time."""
MAX_DISTANCES = 1000
"""Maximum number of distances stored for a group."""


Result = TypeVar("Result", bound=Audit | Unlearned)


class Suspect(NamedTuple):
    """A suspect of the gallery.

    `image` is its name and `row` its index in the data. `given` and `restored` are labels, and
    `crossed` is the label behind its boundary, -1 if none was found. All three are class numbers.
    `distance` is the boundary distance, infinite if none was found.
    """

    image: str
    row: int
    given: int
    restored: int
    confidence: float
    score: float
    distance: float
    crossed: int


@dataclass(frozen=True, slots=True)
class Gallery:
    """What a report shows of a case, without its data.

    Args:
        suspects: all suspects, by rank.
        classes: names of all classes.
        image: thumbnails `(m, c, h, w)` of the first `MAX_PICTURED` suspects.
        perturbed: the same images behind their boundary.
        perturbation: the difference, gray where nothing changes and at full contrast.
        has_boundary: whether a boundary was found, for every suspect.
        mean_directions: the mean boundary direction of the suspects of each class, as a thumbnail
            `(c, h, w)` drawn like `perturbation`.
        distances: boundary distances by group.
        embedding: points in the plane of the first two principal components of the features.
    """

    suspects: tuple[Suspect, ...]
    classes: tuple[str, ...]
    image: Pixels
    perturbed: Pixels
    perturbation: Pixels
    has_boundary: tuple[bool, ...]
    mean_directions: Mapping[int, UInt8[Tensor, "c h w"]]
    distances: Mapping[str, tuple[float, ...]]
    embedding: Points = field(default_factory=dict)


def rank_suspects(result: Result) -> Result:
    """Sort the suspects of a result by score, highest first; ties by row."""
    suspects = result.suspects
    order = result.evidence.score[suspects.index].argsort(descending=True, stable=True)
    columns = (suspects.index, suspects.given_label, suspects.restored_label, suspects.confidence)
    return replace(result, suspects=Suspects(*(column[order] for column in columns)))


def build_gallery(
    case: Case,
    result: Audit | Unlearned,
    budget: str,
    progress: Progress = no_progress,
    executor: Executor = LOCAL,
) -> tuple[Gallery, BoundaryResult]:
    """Build the gallery of a result, searching the boundary of suspects where it is missing.

    Args:
        case: the model and the images.
        result: an audit or a repair, with suspects sorted by `rank_suspects`.
        budget: effort of the boundary search.
        progress: called during the search.
        executor: runs the search.
    Returns:
        The gallery, and the boundary of all images with the new results filled in.
    """
    images, suspects = case.images, result.suspects
    rows = suspects.index[:MAX_PICTURED]
    samples = [
        sample_boundary(
            case,
            rows[start : start + BATCH_SIZE],
            budget,
            offset_progress(progress, start, len(rows)),
            executor,
        )
        for start in range(0, len(rows), BATCH_SIZE)
    ]
    empty = shrink(images.pixels[:0].cpu())
    image, perturbed, perturbation = (
        torch.cat([getattr(sample, name) for sample in samples]) if samples else empty
        for name in ("image", "perturbed", "perturbation")
    )
    if samples:
        pictured = concatenate((sample.boundary for sample in samples), len(rows))
    else:
        pictured = result.boundary.take(rows)
    boundary = _fill_in(result.boundary, rows, pictured)
    if isinstance(result, Audit):
        later_rows = suspects.index[MAX_PICTURED:]
        boundary = _search_missing(case, boundary, later_rows, budget, executor)
    of_suspects = _boundary_of_suspects(boundary, suspects.index, pictured)
    is_suspect = torch.zeros(len(images), dtype=torch.bool).index_fill(0, suspects.index, True)
    gallery = Gallery(
        suspects=tuple(_list_suspects(case, result, of_suspects)),
        classes=images.class_names or tuple(map(str, range(images.class_count))),
        image=image,
        perturbed=perturbed,
        perturbation=perturbation,
        has_boundary=tuple(of_suspects.found.tolist()),
        mean_directions=_mean_directions([sample.direction_sums for sample in samples]),
        distances=_distances_by_group(case, boundary, suspects, is_suspect),
        embedding=embed_suspects(case, is_suspect, rows, pictured),
    )
    return gallery, boundary


def _fill_in(boundary: BoundaryResult, rows: Index, new: BoundaryResult) -> BoundaryResult:
    """Return distances and crossed labels, with results for `rows` added where there were none."""
    is_new = ~boundary.found[rows] & new.found
    found, distance, crossed = (
        column.clone() for column in (boundary.found, boundary.distance, boundary.crossed_label)
    )
    found[rows[is_new]] = True
    distance[rows[is_new]] = new.distance[is_new]
    crossed[rows[is_new]] = new.crossed_label[is_new]
    return BoundaryResult(found, distance, crossed)


def _search_missing(
    case: Case, boundary: BoundaryResult, rows: Index, budget: str, executor: Executor
) -> BoundaryResult:
    """Search those of `rows` that have no boundary yet, without thumbnails."""
    rows = rows[~boundary.found[rows]]
    pixels = copy_rows(case.images.pixels, rows)
    search = BoundarySearch(budget=budget)
    return _fill_in(boundary, rows, executor.search_boundary(case.model, pixels, search))


def _boundary_of_suspects(
    boundary: BoundaryResult, rows: Index, pictured: BoundaryResult
) -> BoundaryResult:
    """Return the boundary shown for each suspect: the pictured one, or that of the audit."""
    later = boundary.take(rows[len(pictured) :])
    columns = ("found", "distance", "crossed_label")
    return BoundaryResult(
        *(torch.cat((getattr(pictured, name), getattr(later, name))) for name in columns)
    )


def _list_suspects(
    case: Case, result: Audit | Unlearned, boundary: BoundaryResult
) -> list[Suspect]:
    suspects = result.suspects
    return [
        Suspect(
            image=case.images.name_of(row),
            row=row,
            given=int(suspects.given_label[k]),
            restored=int(suspects.restored_label[k]),
            confidence=round(float(suspects.confidence[k]), 4),
            score=round(float(result.evidence.score[row]), 4),
            distance=round(float(boundary.distance[k]), 5),
            crossed=int(boundary.crossed_label[k]),
        )
        for k, row in enumerate(suspects.index.tolist())
    ]


def _mean_directions(sums: Sequence[Mapping[int, Tensor]]) -> dict[int, Tensor]:
    """Render the mean direction of each class; scaling to full contrast makes sums do as well."""
    labels = sorted({label for part in sums for label in part})
    totals = {k: torch.stack([part[k] for part in sums if k in part]).sum(0) for k in labels}
    return {label: shrink(render_perturbation(total[None]))[0] for label, total in totals.items()}


def _distances_by_group(
    case: Case, boundary: BoundaryResult, suspects: Suspects, is_suspect: Flags
) -> dict[str, tuple[float, ...]]:
    """Boundary distances of the suspects, of other images of their classes, and of the rest."""
    labels, measured = case.images.labels, boundary.found & (boundary.distance > 0)
    same_class = torch.isin(labels, suspects.given_label)
    groups = {
        "suspects": is_suspect,
        "other images of their class": ~is_suspect & same_class,
        "images of other classes": ~is_suspect & ~same_class,
    }
    distances = {
        name: boundary.distance[members & measured][:MAX_DISTANCES].tolist()
        for name, members in groups.items()
    }
    return {
        name: tuple(round(v, 5) for v in values) for name, values in distances.items() if values
    }

"""The suspects as people see them: each image, the way to its boundary, and what lies behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..boundary.concatenation import join, shifted
from ..boundary.distances import Search
from ..executor.interface import HERE, Work
from ..memory_mapped import rows_of
from ..types import (
    Audit,
    BoundaryResult,
    Case,
    Flags,
    Index,
    Pixels,
    Progress,
    Suspects,
    Unlearned,
    silent,
)
from .boundary_samples import amplified, look_at
from .embedding import Points, embed_suspects
from .thumbnails import shrunk

PICTURED = 1000
"""Suspects that a gallery has pictures of, those of highest score."""
AT_ONCE = 128
"""Suspects whose perturbations are held at a time."""
DRAWN = 1000
"""Distances of a group, at the most."""


Result = TypeVar("Result", bound=Audit | Unlearned)


class Suspect(NamedTuple):
    """A suspect in the gallery. Labels are class numbers; `crossed` is -1 where none was found."""

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
    """What a report needs of a case, without its data; all suspects, by rank.

    `image`, `perturbed` and `perturbation` are thumbnails `(m, c, h, w)` of the first `PICTURED`:
    as it is, behind the boundary, and the difference, gray where nothing changes and as strong as
    can be shown; `found` says of every suspect whether there is a boundary. `shared` is the mean
    direction `(c, h, w)` of the suspects of each class, drawn alike. `distances` are boundary
    distances by group; `embedding` places in the plane of the features' first two components.
    """

    suspects: tuple[Suspect, ...]
    classes: tuple[str, ...]
    image: Pixels
    perturbed: Pixels
    perturbation: Pixels
    found: tuple[bool, ...]
    shared: Mapping[int, UInt8[Tensor, "c h w"]]
    distances: Mapping[str, tuple[float, ...]]
    embedding: Points = field(default_factory=dict)


def ranked(result: Result) -> Result:
    """The same result with its suspects by score, highest first; ties by row."""
    suspects = result.suspects
    order = result.evidence.score[suspects.index].argsort(descending=True, stable=True)
    columns = (suspects.index, suspects.given_label, suspects.restored_label, suspects.confidence)
    return replace(result, suspects=Suspects(*(column[order] for column in columns)))


def gather(
    case: Case,
    result: Audit | Unlearned,
    budget: str,
    progress: Progress = silent,
    work: Work = HERE,
) -> tuple[Gallery, BoundaryResult]:
    """The gallery of what was found, and the boundary with what had to be searched for it.

    Args:
        result: `ranked`.
        budget: of the search.
        work: who searches.
    """
    images, suspects = case.images, result.suspects
    rows = suspects.index[:PICTURED]
    parts = [
        look_at(case, rows[at : at + AT_ONCE], budget, shifted(progress, at, len(rows)), work)
        for at in range(0, len(rows), AT_ONCE)
    ]
    nothing = shrunk(images.pixels[:0].cpu())
    image, perturbed, perturbation = (
        torch.cat([getattr(part, name) for part in parts]) if parts else nothing
        for name in ("image", "perturbed", "perturbation")
    )
    way = join((part.way for part in parts), len(rows)) if parts else result.boundary.take(rows)
    known = _with(result.boundary, rows, way)
    if isinstance(result, Audit):
        known = _searched(case, known, suspects.index[PICTURED:], budget, work)
    shown = _shown(known, suspects.index, way)
    marked = torch.zeros(len(images), dtype=torch.bool).index_fill(0, suspects.index, True)
    gallery = Gallery(
        suspects=tuple(_listed(case, result, shown)),
        classes=images.class_names or tuple(map(str, range(images.class_count))),
        image=image,
        perturbed=perturbed,
        perturbation=perturbation,
        found=tuple(shown.found.tolist()),
        shared=_shared([part.sums for part in parts]),
        distances=_distances(case, known, suspects, marked),
        embedding=embed_suspects(case, marked, rows, way),
    )
    return gallery, known


def _with(known: BoundaryResult, rows: Index, way: BoundaryResult) -> BoundaryResult:
    """Distances and labels behind the boundary, those of `rows` filled in."""
    new = ~known.found[rows] & way.found
    found, distance, crossed = (
        column.clone() for column in (known.found, known.distance, known.crossed_label)
    )
    found[rows[new]] = True
    distance[rows[new]] = way.distance[new]
    crossed[rows[new]] = way.crossed_label[new]
    return BoundaryResult(found, distance, crossed)


def _searched(
    case: Case, known: BoundaryResult, rows: Index, budget: str, work: Work
) -> BoundaryResult:
    """The same with these rows, which have no picture, searched where they were not."""
    rows = rows[~known.found[rows]]
    pixels = rows_of(case.images.pixels, rows)
    return _with(known, rows, work.boundary(case.model, pixels, Search(budget=budget)))


def _shown(known: BoundaryResult, rows: Index, way: BoundaryResult) -> BoundaryResult:
    """What a suspect is shown with: the way that is pictured, else what the audit knows."""
    later = known.take(rows[len(way) :])
    columns = ("found", "distance", "crossed_label")
    return BoundaryResult(
        *(torch.cat((getattr(way, name), getattr(later, name))) for name in columns)
    )


def _listed(case: Case, result: Audit | Unlearned, shown: BoundaryResult) -> list[Suspect]:
    suspects = result.suspects
    return [
        Suspect(
            case.images.name_of(row),
            row,
            int(suspects.given_label[place]),
            int(suspects.restored_label[place]),
            round(float(suspects.confidence[place]), 4),
            round(float(result.evidence.score[row]), 4),
            round(float(shown.distance[place]), 5),
            int(shown.crossed_label[place]),
        )
        for place, row in enumerate(suspects.index.tolist())
    ]


def _shared(sums: Sequence[Mapping[int, Tensor]]) -> dict[int, Tensor]:
    """The mean direction of each class's suspects, as a picture."""
    labels = sorted({label for part in sums for label in part})
    whole = {k: torch.stack([part[k] for part in sums if k in part]).sum(0) for k in labels}
    return {label: shrunk(amplified(each[None]))[0] for label, each in whole.items()}


def _distances(
    case: Case, known: BoundaryResult, suspects: Suspects, marked: Flags
) -> dict[str, tuple[float, ...]]:
    """Distances that were found, of suspects, of their classes' other images, and of the others."""
    labels, found = case.images.labels, known.found & (known.distance > 0)
    same = torch.isin(labels, suspects.given_label)
    groups = {
        "suspects": marked,
        "other images of their class": ~marked & same,
        "images of other classes": ~marked & ~same,
    }
    drawn = {name: known.distance[here & found][:DRAWN].tolist() for name, here in groups.items()}
    return {name: tuple(round(v, 5) for v in values) for name, values in drawn.items() if values}

"""The suspects as people see them: each image, the way to its boundary, and what lies behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ..boundary.distances import boundary
from ..types import (
    Audit,
    BoundaryResult,
    Case,
    Index,
    Pixels,
    Progress,
    Suspects,
    Unlearned,
    silent,
)
from .thumbnails import shrunk

SHOWN = 1000
"""Suspects in a gallery, those of highest score."""
DRAWN = 1000
"""Distances of a group, at the most."""


Result = TypeVar("Result", Audit, Unlearned)


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
    """What a report needs of a case, without its data; suspects by rank.

    `image`, `perturbed` and `perturbation` are thumbnails `(m, c, h, w)`: as it is, behind the
    boundary, and the difference, gray where nothing changes and as strong as can be shown; `found`
    says where there is a boundary. `shared` is the mean direction `(c, h, w)` of the suspects of
    each class, drawn alike. `distances` are boundary distances by group; `count` is how many
    suspects there are in all.
    """

    suspects: tuple[Suspect, ...]
    classes: tuple[str, ...]
    count: int
    image: Pixels
    perturbed: Pixels
    perturbation: Pixels
    found: tuple[bool, ...]
    shared: Mapping[int, UInt8[Tensor, "c h w"]]
    distances: Mapping[str, tuple[float, ...]]


def ranked(result: Result) -> Result:
    """The same result with its suspects by score, highest first; ties by row."""
    suspects = result.suspects
    order = result.evidence.score[suspects.index].argsort(descending=True, stable=True)
    columns = (suspects.index, suspects.given_label, suspects.restored_label, suspects.confidence)
    return replace(result, suspects=Suspects(*(column[order] for column in columns)))


def gather(
    case: Case, result: Audit | Unlearned, budget: str, progress: Progress = silent
) -> tuple[Gallery, BoundaryResult]:
    """The gallery of what was found, and the boundary with what had to be searched for it.

    Args:
        result: `ranked`.
        budget: of the search.
    """
    images, suspects = case.images, result.suspects
    rows = suspects.index[:SHOWN]
    pixels = images.pixels[rows.to(images.pixels.device)]
    way = boundary(
        case.model, pixels, budget=budget, directions=True, phase="gallery", progress=progress
    )
    known = _with(result.boundary, rows, way)
    steps = _steps(way, pixels)
    shown = pixels.cpu()
    moved = (shown / 255 + steps).mul(255).round().clamp(0, 255).to(torch.uint8)
    gallery = Gallery(
        suspects=tuple(_listed(case, result, way)),
        classes=images.class_names or tuple(map(str, range(images.class_count))),
        count=len(suspects),
        image=shrunk(shown),
        perturbed=shrunk(moved),
        perturbation=shrunk(amplified(steps)),
        found=tuple(way.found.tolist()),
        shared=_shared(way, suspects.given_label[:SHOWN], pixels),
        distances=_distances(case, known, suspects),
    )
    return gallery, known


def amplified(steps: Float[Tensor, "n c h w"]) -> Pixels:
    """Differences as pictures: gray is none, and the largest of each image reaches black or white.

    What is smaller is drawn by its square root, so that it is seen as well.
    """
    largest = steps.abs().flatten(1).amax(1).clamp_min(1e-12)[:, None, None, None]
    share = steps / largest
    return (127.5 + 127.5 * share.sign() * share.abs().sqrt()).round().clamp(0, 255).byte()


def _steps(way: BoundaryResult, pixels: Pixels) -> Float[Tensor, "n c h w"]:
    """The perturbations, 0 where none was found."""
    if way.direction is None or not len(pixels):
        return torch.zeros(pixels.shape)
    length = way.distance.where(way.found, torch.tensor(0.0))
    return (way.direction.float() * length[:, None]).reshape(pixels.shape)


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


def _listed(case: Case, result: Audit | Unlearned, way: BoundaryResult) -> list[Suspect]:
    suspects = result.suspects
    return [
        Suspect(
            case.images.name_of(row),
            row,
            int(suspects.given_label[place]),
            int(suspects.restored_label[place]),
            round(float(suspects.confidence[place]), 4),
            round(float(result.evidence.score[row]), 4),
            round(float(way.distance[place]), 5),
            int(way.crossed_label[place]),
        )
        for place, row in enumerate(suspects.index[:SHOWN].tolist())
    ]


def _shared(way: BoundaryResult, given: Tensor, pixels: Pixels) -> dict[int, Tensor]:
    """The mean direction of each class's suspects, as a picture."""
    if way.direction is None:
        return {}
    pictures = {}
    for label in sorted(set(given[way.found].tolist())):
        mean = way.direction[way.found & (given == label)].float().mean(0)
        pictures[label] = shrunk(amplified(mean.reshape(1, *pixels.shape[1:])))[0]
    return pictures


def _distances(
    case: Case, known: BoundaryResult, suspects: Suspects
) -> dict[str, tuple[float, ...]]:
    """Distances that were found, of suspects, of their classes' other images, and of the others."""
    labels, found = case.images.labels, known.found & (known.distance > 0)
    marked = torch.zeros(len(labels), dtype=torch.bool)
    marked[suspects.index] = True
    same = torch.isin(labels, suspects.given_label)
    groups = {
        "suspects": marked,
        "other images of their class": ~marked & same,
        "images of other classes": ~marked & ~same,
    }
    drawn = {name: known.distance[here & found][:DRAWN].tolist() for name, here in groups.items()}
    return {name: tuple(round(v, 5) for v in values) for name, values in drawn.items() if values}

"""Some images, the way each has to its boundary, and what lies there; small enough to keep."""

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..boundary.distances import Search
from ..data.pixels import to_pixels
from ..executor.interface import Work
from ..types import BoundaryResult, Case, Index, Pixels, Progress
from .embedding import names_features
from .thumbnails import shrunk


class Look(NamedTuple):
    """Some suspects, small; `sums` adds up the directions `(c, h, w)` of each class."""

    image: Tensor
    perturbed: Tensor
    perturbation: Tensor
    way: BoundaryResult
    sums: dict[int, Tensor]


def look_at(case: Case, rows: Index, budget: str, progress: Progress, work: Work) -> Look:
    """The thumbnails of these images and of what lies behind their boundary."""
    pixels = case.images.pixels[rows.to(case.images.pixels.device)]
    named = names_features(case.model)
    search = Search(budget=budget, directions=True, features=named, phase="gallery")
    way = work.boundary(case.model, pixels, search, progress=progress)
    shown, labels = pixels.cpu(), case.images.labels[rows]
    units = torch.zeros(shown.shape)
    if way.direction is not None:
        units = way.direction.float().reshape(shown.shape)
    length = way.distance.where(way.found, torch.tensor(0.0))
    steps = units * length[:, None, None, None]
    moved = to_pixels((shown / 255 + steps).mul(255))
    given = sorted(set(labels[way.found].tolist()))
    return Look(
        shrunk(shown),
        shrunk(moved),
        shrunk(amplified(steps)),
        replace(way, direction=None),
        {label: units[way.found & (labels == label)].sum(0) for label in given},
    )


def amplified(steps: Float[Tensor, "n c h w"]) -> Pixels:
    """Differences as pictures: gray is none, and the largest of each image reaches black or white.

    What is smaller is drawn by its square root, so that it is seen as well.
    """
    largest = steps.abs().flatten(1).amax(1).clamp_min(1e-12)[:, None, None, None]
    share = steps / largest
    return to_pixels(127.5 + 127.5 * share.sign() * share.abs().sqrt())

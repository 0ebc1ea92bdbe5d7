"""Thumbnails of images, of their perturbed versions across the boundary, and of the difference."""

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ..boundary.search_boundary import BoundarySearch
from ..data.pixels import to_pixels
from ..executor.interface import Executor
from ..types import BoundaryResult, Case, Index, Pixels, Progress
from .embedding import has_penultimate_features
from .thumbnails import shrink


class BoundarySample(NamedTuple):
    """Thumbnails `(m, c, h, w)` of some images, and their boundary.

    `boundary` has no directions, which would be large; `direction_sums` has their sum `(c, h, w)`
    over the images of each class instead.
    """

    image: Tensor
    perturbed: Tensor
    perturbation: Tensor
    boundary: BoundaryResult
    direction_sums: dict[int, Tensor]


def sample_boundary(
    case: Case, rows: Index, budget: str, progress: Progress, executor: Executor
) -> BoundarySample:
    """Search the boundary of these images, and render the thumbnails.

    Args:
        case: the model and the images.
        rows: the images `(m,)` to search.
        budget: effort of the search.
        progress: called during the search.
        executor: runs the search.
    """
    pixels = case.images.pixels[rows.to(case.images.pixels.device)]
    features = has_penultimate_features(case.model)
    search = BoundarySearch(budget=budget, directions=True, features=features, phase="gallery")
    boundary = executor.search_boundary(case.model, pixels, search, progress=progress)
    image, labels = pixels.cpu(), case.images.labels[rows]
    directions = torch.zeros(image.shape)
    if boundary.direction is not None:
        directions = boundary.direction.float().reshape(image.shape)
    length = boundary.distance.where(boundary.found, torch.tensor(0.0))
    steps = directions * length[:, None, None, None]
    perturbed = to_pixels((image / 255 + steps).mul(255))
    return BoundarySample(
        shrink(image),
        shrink(perturbed),
        shrink(render_perturbation(steps)),
        replace(boundary, direction=None),
        {
            label: directions[boundary.found & (labels == label)].sum(0)
            for label in sorted(set(labels[boundary.found].tolist()))
        },
    )


def render_perturbation(steps: Float[Tensor, "n c h w"]) -> Pixels:
    """Render perturbations as images, each scaled to its own largest change.

    Gray is no change; the largest change of an image becomes black or white. Changes are drawn by
    their square root, so that small ones are visible too.

    >>> render_perturbation(torch.tensor([[[[0.0, 0.25, 1.0, -1.0]]]])).tolist()
    [[[[128, 191, 255, 0]]]]
    """
    largest = steps.abs().flatten(1).amax(1).clamp_min(1e-12)[:, None, None, None]
    share = steps / largest
    return to_pixels(127.5 + 127.5 * share.sign() * share.abs().sqrt())

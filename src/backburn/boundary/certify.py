"""From a way to the boundary to a distance that full precision has verified."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from .oracle import Oracle
from .projection import Norm, length
from .search import OVERSHOOT
from .tracks import Tracks

LAST = 1.003
"""The proposal that no step has looked at is tried so far beyond its linearised boundary."""
MARGIN = 3e-4
"""Beyond the estimate along a ray; doubled with every attempt."""
ATTEMPTS = 4
SLACK = 0.002
"""A crossing is pulled in where the estimate is nearer by more than this share."""
OPTIMISM = 1.03
"""A radius estimated in bf16, and the least of several, is taken for so much longer."""


@dataclass(slots=True)
class Crossings:
    """Verified points `steps` away from the images, of length `distance` (inf: none yet)."""

    distance: Float[Tensor, " t"]
    steps: Float[Tensor, "t d"]
    label: Int64[Tensor, " t"]

    def offer(
        self,
        rows: Int64[Tensor, " m"],
        steps: Float[Tensor, "m d"],
        label: Int64[Tensor, " m"],
        crossed: Bool[Tensor, " m"],
        norm: Norm,
    ) -> None:
        """Keep what crossed, where it is nearer than what was there."""
        distance = length(steps, norm)
        keep = crossed & (distance < self.distance[rows])
        self.distance[rows[keep]] = distance[keep]
        self.steps[rows[keep]] = steps[keep]
        self.label[rows[keep]] = label[keep]


def certify(
    oracle: Oracle, start: Int64[Tensor, " n"], tracks: Tracks, norm: Norm, *, rough: bool
) -> Crossings:
    """The nearest point of each track that fp32 calls otherwise.

    The proposal is tried first, then the better of its ray and the best one, by Newton's method.

    Args:
        rough: the radii were estimated in bf16.
    """
    found = Crossings(
        torch.full_like(tracks.radius, torch.inf),
        torch.zeros_like(tracks.point),
        torch.full_like(tracks.image, -1),
    )
    ray = _choose_ray(oracle, start, tracks, found, norm, OPTIMISM if rough else 1.0)
    _newton(oracle, start, tracks.image, ray, found, norm)
    return found


@dataclass(slots=True)
class _Rays:
    """Ways of length 1, where the boundary is estimated to lie on them, and how sure that is."""

    way: Float[Tensor, "t d"]
    radius: Float[Tensor, " t"]
    slope: Float[Tensor, " t"]
    ceiling: Float[Tensor, " t"]


def _look(
    oracle: Oracle,
    start: Tensor,
    image: Tensor,
    rows: Tensor,
    steps: Tensor,
    found: Crossings,
    norm: Norm,
) -> tuple[Tensor, Tensor]:
    """Margins at these steps in fp32, and the steps as the box leaves them."""
    origin, began = oracle.origin[image[rows]], start[image[rows]]
    points = (origin + steps).clamp(0, 1)
    margin, said = oracle.margins(image[rows], points, began)
    steps = points - origin
    found.offer(rows, steps, said, said != began, norm)
    return margin, steps


def _choose_ray(
    oracle: Oracle, start: Tensor, tracks: Tracks, found: Crossings, norm: Norm, optimism: float
) -> _Rays:
    best = optimism * tracks.radius
    rows = (length(tracks.point, norm) * LAST / OVERSHOOT < 1.02 * best).nonzero().flatten()
    steps = LAST / OVERSHOOT * tracks.point[rows]
    margin, steps = _look(oracle, start, tracks.image, rows, steps, found, norm)
    size = length(steps, norm).clamp_min(1e-12)
    slope = torch.where(tracks.last_slope < 0, tracks.last_slope, tracks.slope)[rows]
    slope = torch.where(slope < 0, slope, -margin.abs() / size - 1e-12)
    radius = size - margin / slope
    crossed = margin < 0
    likely = torch.where(crossed, radius > 0.7 * size, radius < 1.05 * size)
    use = likely & (radius < best[rows])
    rays = _Rays(
        tracks.way.clone(), tracks.radius.clone(), tracks.slope.clone(), tracks.ceiling.clone()
    )
    rays.way[rows[use]] = (steps / size[:, None])[use]
    rays.radius[rows[use]] = radius[use]
    rays.slope[rows[use]] = slope[use]
    rays.ceiling[rows[use]] = torch.where(crossed, size, torch.inf)[use]
    unknown = ~rays.radius.isfinite()
    rays.radius[unknown] = length(tracks.point, norm)[unknown]
    rays.slope = torch.where(rays.slope < 0, rays.slope, -1.0)
    return rays


def _newton(
    oracle: Oracle, start: Tensor, image: Tensor, rays: _Rays, found: Crossings, norm: Norm
) -> None:
    """Along each ray: outwards until it crosses, once inwards where it crossed too far out."""
    rows = (rays.radius * (1 + MARGIN) < (1 - SLACK) * found.distance).nonzero().flatten()
    for attempt in range(ATTEMPTS):
        if not len(rows):
            return
        tried = rays.radius[rows] * (1 + MARGIN * 2**attempt)
        ceiling = rays.ceiling[rows]
        tried = torch.where(ceiling > rays.radius[rows], torch.minimum(tried, ceiling), tried)
        steps = tried[:, None] * rays.way[rows]
        margin, _ = _look(oracle, start, image, rows, steps, found, norm)
        crossed = margin < 0
        root = tried - margin / rays.slope[rows]
        outwards = torch.minimum(torch.maximum(root, 1.002 * tried), 1.15 * tried)
        rays.radius[rows] = torch.where(crossed, root, outwards)
        inwards = crossed & (root < (1 - 2 * SLACK) * tried) & (attempt == 0)
        nearer = rays.radius[rows] < found.distance[rows] * (1 - SLACK / 2)
        rows = rows[(inwards | ~crossed) & nearer]

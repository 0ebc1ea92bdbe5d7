"""Certification: turn the search's proposals into distances that full precision has verified."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from .model_queries import Oracle
from .projection import Norm, step_norm
from .search_state import Tracks
from .track_steps import OVERSHOOT

PROPOSAL_SCALE = 1.003
"""Factor by which the last proposal exceeds its linearized boundary; no step has evaluated it."""
RAY_MARGIN = 3e-4
"""Relative distance beyond the estimate along a ray; doubled with every attempt."""
MAX_ATTEMPTS = 4
TOLERANCE = 0.002
"""A crossing is pulled in if the estimate is nearer by more than this share."""
OPTIMISM_FACTOR = 1.03
"""Factor on radii estimated in bf16. The smallest of several such estimates is too short."""


@dataclass(slots=True)
class Crossings:
    """Verified points `steps` away from the images, of length `distance` (inf: none yet)."""

    distance: Float[Tensor, " t"]
    steps: Float[Tensor, "t d"]
    label: Int64[Tensor, " t"]

    def update(
        self,
        rows: Int64[Tensor, " m"],
        steps: Float[Tensor, "m d"],
        label: Int64[Tensor, " m"],
        crossed: Bool[Tensor, " m"],
        norm: Norm,
    ) -> None:
        """Store the steps that crossed, if they are shorter than what is stored for their row."""
        distance = step_norm(steps, norm)
        keep = crossed & (distance < self.distance[rows])
        self.distance[rows[keep]] = distance[keep]
        self.steps[rows[keep]] = steps[keep]
        self.label[rows[keep]] = label[keep]


def certify(
    oracle: Oracle,
    predictions: Int64[Tensor, " n"],
    tracks: Tracks,
    norm: Norm,
    *,
    low_precision: bool,
) -> Crossings:
    """The nearest point of each track that the model assigns to another class in fp32.

    The proposal is evaluated first. Then Newton's method runs along a ray: the proposal's, or the
    best one of the track, whichever is estimated to cross nearer.

    Args:
        predictions: classes of the images themselves.
        low_precision: the radii were estimated in bf16.
    """
    crossings = Crossings(
        torch.full_like(tracks.radius, torch.inf),
        torch.zeros_like(tracks.proposal),
        torch.full_like(tracks.image, -1),
    )
    optimism = OPTIMISM_FACTOR if low_precision else 1.0
    rays = _choose_rays(oracle, predictions, tracks, crossings, norm, optimism)
    _newton(oracle, predictions, tracks.image, rays, crossings, norm)
    return crossings


@dataclass(slots=True)
class _Rays:
    """Rays from the images, with an estimate of where each crosses the boundary.

    Args:
        direction: of length 1.
        radius: estimated distance of the boundary.
        slope: rate of the margin along the ray, below 0.
        crossed_at: a distance at which the ray has been seen to be across; inf if unknown.
    """

    direction: Float[Tensor, "t d"]
    radius: Float[Tensor, " t"]
    slope: Float[Tensor, " t"]
    crossed_at: Float[Tensor, " t"]


def _evaluate(
    oracle: Oracle,
    predictions: Tensor,
    image: Tensor,
    rows: Tensor,
    steps: Tensor,
    crossings: Crossings,
    norm: Norm,
) -> tuple[Tensor, Tensor]:
    """Margins at these steps in fp32, and the steps as the pixel box clips them."""
    origin, predicted = oracle.origin[image[rows]], predictions[image[rows]]
    points = (origin + steps).clamp(0, 1)
    margin, label = oracle.margins(image[rows], points, predicted)
    steps = points - origin
    crossings.update(rows, steps, label, label != predicted, norm)
    return margin, steps


def _choose_rays(
    oracle: Oracle,
    predictions: Tensor,
    tracks: Tracks,
    crossings: Crossings,
    norm: Norm,
    optimism: float,
) -> _Rays:
    """The ray of the proposal if it is likely to cross nearer, else the best ray of the track."""
    best = optimism * tracks.radius
    length = step_norm(tracks.proposal, norm)
    rows = (length * PROPOSAL_SCALE / OVERSHOOT < 1.02 * best).nonzero().flatten()
    steps = PROPOSAL_SCALE / OVERSHOOT * tracks.proposal[rows]
    margin, steps = _evaluate(oracle, predictions, tracks.image, rows, steps, crossings, norm)
    size = step_norm(steps, norm).clamp_min(1e-12)
    slope = torch.where(tracks.last_slope < 0, tracks.last_slope, tracks.slope)[rows]
    slope = torch.where(slope < 0, slope, -margin.abs() / size - 1e-12)
    radius = size - margin / slope
    crossed = margin < 0
    likely = torch.where(crossed, radius > 0.7 * size, radius < 1.05 * size)
    use = likely & (radius < best[rows])
    rays = _Rays(
        tracks.direction.clone(),
        tracks.radius.clone(),
        tracks.slope.clone(),
        tracks.crossed_at.clone(),
    )
    rays.direction[rows[use]] = (steps / size[:, None])[use]
    rays.radius[rows[use]] = radius[use]
    rays.slope[rows[use]] = slope[use]
    rays.crossed_at[rows[use]] = torch.where(crossed, size, torch.inf)[use]
    unknown = ~rays.radius.isfinite()
    rays.radius[unknown] = step_norm(tracks.proposal, norm)[unknown]
    rays.slope = torch.where(rays.slope < 0, rays.slope, -1.0)
    return rays


def _newton(
    oracle: Oracle,
    predictions: Tensor,
    image: Tensor,
    rays: _Rays,
    crossings: Crossings,
    norm: Norm,
) -> None:
    """Move outwards along each ray until it crosses, and once inwards if that was too far."""
    rows = (rays.radius * (1 + RAY_MARGIN) < (1 - TOLERANCE) * crossings.distance).nonzero()
    rows = rows.flatten()
    for attempt in range(MAX_ATTEMPTS):
        if not len(rows):
            return
        radius = rays.radius[rows] * (1 + RAY_MARGIN * 2**attempt)
        crossed_at = rays.crossed_at[rows]
        radius = torch.where(
            crossed_at > rays.radius[rows], torch.minimum(radius, crossed_at), radius
        )
        steps = radius[:, None] * rays.direction[rows]
        margin, _ = _evaluate(oracle, predictions, image, rows, steps, crossings, norm)
        crossed = margin < 0
        root = radius - margin / rays.slope[rows]
        outwards = torch.minimum(torch.maximum(root, 1.002 * radius), 1.15 * radius)
        rays.radius[rows] = torch.where(crossed, root, outwards)
        inwards = crossed & (root < (1 - 2 * TOLERANCE) * radius) & (attempt == 0)
        nearer = rays.radius[rows] < crossings.distance[rows] * (1 - TOLERANCE / 2)
        rows = rows[(inwards | ~crossed) & nearer]

"""Steps of the boundary search: the screen of classes, and the next proposal of each track."""

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from .budget import Budget
from .model_queries import Oracle
from .projection import Norm, dual_norm, step_norm, step_to_hyperplane, unconstrained_step
from .search_state import INITIAL_PULL, INITIAL_PUSH, Tracks, start_tracks

OVERSHOOT = 1.02
"""Factor by which a step exceeds the linearized boundary."""
FIRST_STEP, MAX_STEP = 0.8, 0.7
"""Length of the first step, and the most of a later one, as shares of the linear distance at the
image."""
TRUSTED_SCALES = (0.75, 1.1)
"""The ray's own estimate of the radius is trusted if it changes the radius by a factor between
these."""
MIN_GAIN = 0.005
"""A gain of less than this share does not count."""
MISSED_SHARE = 0.15
"""A step has missed the boundary if more than this share of the margin remains."""
MOMENTUM = 0.4


class ScreenResult(NamedTuple):
    """Predictions, the nearest linearized boundary of each image, and the tracks to start.

    `reached` flags images for which that boundary lies inside the box.
    """

    predictions: Int64[Tensor, " n"]
    nearest_label: Int64[Tensor, " n"]
    nearest_step: Float[Tensor, "n d"]
    reached: Bool[Tensor, " n"]
    tracks: Tracks


def screen_classes(oracle: Oracle, budget: Budget, norm: Norm) -> ScreenResult:
    """Linearize the boundaries to the likeliest other classes at the images, and start tracks.

    A track starts towards the nearest of these, and towards each one that is nearly as near (see
    `Budget.rivals`).
    """
    predictions, others, margins, gradients = oracle.linearize_images(budget.candidates)
    distance, order = (margins / dual_norm(gradients, norm)).sort(1)
    chosen = distance <= budget.rivals * distance[:, :1]
    chosen[:, 0] = True
    image, rank = chosen.nonzero().unbind(1)
    other = order[image, rank]
    margin, normal = margins[image, other], gradients[image, other]
    step = step_to_hyperplane(oracle.origin[image], normal, margin, norm)
    direction = step / step_norm(step, norm).clamp_min(1e-12)[:, None]
    max_step = MAX_STEP * distance[image, rank]
    nearest = others.gather(1, order[:, :1])[:, 0]
    tracks = start_tracks(image, FIRST_STEP * step, direction, max_step, margin)
    first, remaining = rank == 0, margin + (normal * step).sum(1)
    reached = remaining[first].abs() <= 1e-3 * margin[first]
    return ScreenResult(predictions, nearest, step[first], reached, tracks)


class Linearization(NamedTuple):
    """The margin of each track at its proposal, linearized.

    Args:
        origin: the image.
        step: displacement of the point from the image.
        margin: at the point.
        normal: gradient of the margin.
        radial_rate: `normal @ step`, the rate of the margin as the step is scaled.
    """

    origin: Float[Tensor, "t d"]
    step: Float[Tensor, "t d"]
    margin: Float[Tensor, " t"]
    normal: Float[Tensor, "t d"]
    radial_rate: Float[Tensor, " t"]


def advance_tracks(
    oracle: Oracle, predictions: Int64[Tensor, " n"], tracks: Tracks, norm: Norm, *, low: bool
) -> Tracks:
    """Evaluate the proposal of each track, and make the next one.

    Args:
        predictions: classes of the images themselves.
        low: take the gradient in bf16.
    """
    origin = oracle.origin[tracks.image]
    points = (origin + tracks.proposal).clamp(0, 1)
    step = points - origin
    margin, normal = oracle.linearize(tracks.image, points, predictions[tracks.image], low=low)
    linear = Linearization(origin, step, margin, normal, (normal * step).sum(1))
    return _propose(_adapt(_update_best(tracks, linear, norm), margin), linear, norm)


def _update_best(tracks: Tracks, linear: Linearization, norm: Norm) -> Tracks:
    """Store the ray if Newton's estimate along it is trusted, and nearer than the best so far."""
    rate, size = linear.radial_rate, step_norm(linear.step, norm).clamp_min(1e-12)
    scale = 1 - linear.margin / rate.where(rate < 0, -torch.inf)
    trusted = (rate < 0) & (scale > TRUSTED_SCALES[0]) & (scale < TRUSTED_SCALES[1])
    radius = torch.where(trusted, size * scale, torch.inf)
    better, gained = radius < tracks.radius, radius < (1 - MIN_GAIN) * tracks.radius
    crossed_at = torch.where(linear.margin < 0, size, torch.inf)
    return replace(
        tracks,
        direction=torch.where(better[:, None], linear.step / size[:, None], tracks.direction),
        radius=torch.where(better, radius, tracks.radius),
        slope=torch.where(better, rate / size, tracks.slope),
        crossed_at=torch.where(better, crossed_at, tracks.crossed_at),
        last_slope=torch.where(rate < 0, rate / size, tracks.last_slope),
        idle=torch.where(gained | tracks.radius.isinf(), 0, tracks.idle + 1),
    )


def _adapt(tracks: Tracks, margin: Tensor) -> Tracks:
    """Decrease pull and increase push while steps miss the boundary; reverse once they cross."""
    inside = margin > 0
    missed = inside & (margin > MISSED_SHARE * tracks.last_margin) & (tracks.evaluations > 0)
    pull = torch.where(missed, 0.7 * tracks.pull, tracks.pull)
    push = torch.where(missed, (1.2 * tracks.push).clamp_max(2.5), tracks.push)
    return replace(
        tracks,
        pull=torch.where(inside, pull, (1.25 * tracks.pull).clamp_max(1.4 * INITIAL_PULL)),
        push=torch.where(inside, push, (tracks.push / 1.2).clamp_min(INITIAL_PUSH)),
        last_margin=margin.abs(),
        evaluations=tracks.evaluations + 1,
    )


def _propose(tracks: Tracks, linear: Linearization, norm: Norm) -> Tracks:
    """The next proposal: a fixed-point step near the boundary, else a short step towards it."""
    steepness = dual_norm(linear.normal, norm)
    far = linear.margin / steepness > tracks.max_step
    # across the boundary where the linearization does not lead back to it along the ray
    lost = (linear.margin < 0) & (
        (linear.radial_rate >= 0) | (linear.margin < 0.7 * linear.radial_rate)
    )
    near = _fixed_point_step(tracks, linear, norm)
    ahead = linear.step + unconstrained_step(linear.normal, tracks.max_step * steepness, norm)
    crossing = tracks.first_margin / (tracks.first_margin - linear.margin).clamp_min(1e-9)
    back = linear.step * crossing.clamp(0.3, 0.9)[:, None]
    proposal = torch.where(far[:, None], ahead, torch.where(lost[:, None], back, near))
    usable = proposal.isfinite().all(1)
    return replace(
        tracks,
        proposal=torch.where(usable[:, None], proposal, tracks.proposal),
        previous=linear.step,
        steps_near=torch.where(far | lost, 0, tracks.steps_near + 1),
    )


def _fixed_point_step(tracks: Tracks, linear: Linearization, norm: Norm) -> Tensor:
    """Interpolate between the projections of the point and of the image on the linearized boundary.

    The result has momentum, and is scaled to lie on that boundary, or `push` beyond it.
    """
    at_origin = linear.margin - linear.radial_rate
    push = torch.where(linear.margin > 0, tracks.push, 1.0)
    from_point = linear.step + unconstrained_step(linear.normal, push * linear.margin, norm)
    from_image = step_to_hyperplane(linear.origin, linear.normal, at_origin.clamp_min(0), norm)
    pull = torch.where(at_origin > 0, tracks.pull, 0.0)
    step = torch.lerp(from_point, from_image, pull[:, None])
    momentum = torch.where(tracks.steps_near > 0, MOMENTUM, 0.0)[:, None]
    step = step + momentum * (linear.step - tracks.previous)
    decrease = at_origin + (push - 1) * linear.margin
    scale = -decrease / (linear.normal * step).sum(1).clamp_max(-1e-12)
    return OVERSHOOT * scale.clamp(0.5, 1.5)[:, None] * step


def blend_directions(tracks: Tracks, norm: Norm) -> Tracks:
    """Propose a point half-way between the best direction so far and the proposed one.

    Steps zigzag around the optimum, so that the middle of both directions is nearer to it.
    """
    size = step_norm(tracks.proposal, norm).clamp_min(1e-12)
    proposed = tracks.proposal / size[:, None]
    agree = torch.nn.functional.cosine_similarity(tracks.direction, proposed, dim=1) > 0.5
    middle = tracks.direction + proposed
    middle = middle / step_norm(middle, norm).clamp_min(1e-12)[:, None]
    radius = torch.minimum(OVERSHOOT * tracks.radius, size)
    usable = agree & tracks.radius.isfinite()
    proposal = torch.where(usable[:, None], radius[:, None] * middle, tracks.proposal)
    return replace(tracks, proposal=proposal)

"""The search for the nearest boundary point: one gradient a look, a few looks a track."""

from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from .budget import Budget
from .oracle import Oracle
from .projection import Norm, length, steepness, step_to_hyperplane, straight_step
from .tracks import PULL, PUSH, Tracks, start_tracks

OVERSHOOT = 1.02
"""A step aims a little beyond the linearised boundary."""
FIRST, REACH = 0.8, 0.7
"""Of the linear distance at the image: how far the first look goes, and a step at the most."""
TRUSTED = (0.75, 1.1)
"""A look counts where the ray's own estimate changes its length by a factor between these."""
WORTH = 0.005
"""A gain of less than this share does not count."""
MISSED = 0.15
"""A step has missed where it leaves more than this share of the margin."""
MOMENTUM = 0.4


class Screened(NamedTuple):
    """Predictions, the nearest linearised boundary of each image, and the tracks to start.

    `reached` says where that boundary lies inside the box.
    """

    start: Int64[Tensor, " n"]
    nearest_label: Int64[Tensor, " n"]
    nearest_step: Float[Tensor, "n d"]
    reached: Bool[Tensor, " n"]
    tracks: Tracks


def screen(oracle: Oracle, budget: Budget, norm: Norm) -> Screened:
    """Linearise the boundaries to the likeliest other classes at the images themselves."""
    start, others, margins, gradients = oracle.screen(budget.candidates)
    linear, order = (margins / steepness(gradients, norm)).sort(1)
    chosen = linear <= budget.rivals * linear[:, :1]
    chosen[:, 0] = True
    image, place = chosen.nonzero().unbind(1)
    other = order[image, place]
    margin, normal = margins[image, other], gradients[image, other]
    step = step_to_hyperplane(oracle.origin[image], normal, margin, norm)
    unit = step / length(step, norm).clamp_min(1e-12)[:, None]
    reach = REACH * linear[image, place]
    nearest = others.gather(1, order[:, :1])[:, 0]
    tracks = start_tracks(image, FIRST * step, unit, reach, margin)
    first, left = place == 0, margin + (normal * step).sum(1)
    reached = left[first].abs() <= 1e-3 * margin[first]
    return Screened(start, nearest, step[first], reached, tracks)


class Look(NamedTuple):
    """What a track saw: where it was, the margin there, its gradient and its rate along `now`."""

    origin: Float[Tensor, "t d"]
    now: Float[Tensor, "t d"]
    margin: Float[Tensor, " t"]
    normal: Float[Tensor, "t d"]
    rise: Float[Tensor, " t"]


def advance(
    oracle: Oracle, start: Int64[Tensor, " n"], tracks: Tracks, norm: Norm, *, low: bool
) -> Tracks:
    """One look of each track, and where it looks next."""
    origin = oracle.origin[tracks.image]
    points = (origin + tracks.point).clamp(0, 1)
    now = points - origin
    margin, normal = oracle.linearize(tracks.image, points, start[tracks.image], low=low)
    look = Look(origin, now, margin, normal, (normal * now).sum(1))
    return _propose(_adapt(_remember(tracks, look, norm), margin), look, norm)


def _remember(tracks: Tracks, look: Look, norm: Norm) -> Tracks:
    """Keep the look where Newton's estimate along its ray is trusted, and nearer than the best."""
    rise, size = look.rise, length(look.now, norm).clamp_min(1e-12)
    scale = 1 - look.margin / rise.where(rise < 0, -torch.inf)
    trusted = (rise < 0) & (scale > TRUSTED[0]) & (scale < TRUSTED[1])
    radius = torch.where(trusted, size * scale, torch.inf)
    better, gained = radius < tracks.radius, radius < (1 - WORTH) * tracks.radius
    across = torch.where(look.margin < 0, size, torch.inf)
    return replace(
        tracks,
        way=torch.where(better[:, None], look.now / size[:, None], tracks.way),
        radius=torch.where(better, radius, tracks.radius),
        slope=torch.where(better, rise / size, tracks.slope),
        ceiling=torch.where(better, across, tracks.ceiling),
        last_slope=torch.where(rise < 0, rise / size, tracks.last_slope),
        idle=torch.where(gained | tracks.radius.isinf(), 0, tracks.idle + 1),
    )


def _adapt(tracks: Tracks, margin: Tensor) -> Tracks:
    """Less pull and more push while steps miss the boundary, the reverse once they cross."""
    short = margin > 0
    missed = short & (margin > MISSED * tracks.gap) & (tracks.seen > 0)
    pull = torch.where(missed, 0.7 * tracks.pull, tracks.pull)
    push = torch.where(missed, (1.2 * tracks.push).clamp_max(2.5), tracks.push)
    return replace(
        tracks,
        pull=torch.where(short, pull, (1.25 * tracks.pull).clamp_max(1.4 * PULL)),
        push=torch.where(short, push, (tracks.push / 1.2).clamp_min(PUSH)),
        gap=margin.abs(),
        seen=tracks.seen + 1,
    )


def _propose(tracks: Tracks, look: Look, norm: Norm) -> Tracks:
    """Near the boundary a step of the fixed point; far from it, a short one towards it."""
    steep = steepness(look.normal, norm)
    far = look.margin / steep > tracks.reach
    lost = (look.margin < 0) & ((look.rise >= 0) | (look.margin < 0.7 * look.rise))
    near = _fixed_point_step(tracks, look, norm)
    ahead = look.now + straight_step(look.normal, tracks.reach * steep, norm)
    crossing = tracks.first_gap / (tracks.first_gap - look.margin).clamp_min(1e-9)
    back = look.now * crossing.clamp(0.3, 0.9)[:, None]
    point = torch.where(far[:, None], ahead, torch.where(lost[:, None], back, near))
    usable = point.isfinite().all(1)
    return replace(
        tracks,
        point=torch.where(usable[:, None], point, tracks.point),
        before=look.now,
        settled=torch.where(far | lost, 0, tracks.settled + 1),
    )


def _fixed_point_step(tracks: Tracks, look: Look, norm: Norm) -> Tensor:
    """Between the linearised boundary's nearest point to here and that to the origin.

    With momentum, and scaled so that it lies on that boundary, or `push` beyond it.
    """
    at_origin = look.margin - look.rise
    push = torch.where(look.margin > 0, tracks.push, 1.0)
    here = look.now + straight_step(look.normal, push * look.margin, norm)
    there = step_to_hyperplane(look.origin, look.normal, at_origin.clamp_min(0), norm)
    step = torch.lerp(here, there, torch.where(at_origin > 0, tracks.pull, 0.0)[:, None])
    moving = torch.where(tracks.settled > 0, MOMENTUM, 0.0)[:, None]
    step = step + moving * (look.now - tracks.before)
    wanted = at_origin + (push - 1) * look.margin
    scale = -wanted / (look.normal * step).sum(1).clamp_max(-1e-12)
    return OVERSHOOT * scale.clamp(0.5, 1.5)[:, None] * step


def blend(tracks: Tracks, norm: Norm) -> Tracks:
    """Look next half way between the best way so far and the proposed one.

    Both lie about the optimum that the steps zigzag around, so their middle lies nearer to it.
    """
    size = length(tracks.point, norm).clamp_min(1e-12)
    proposed = tracks.point / size[:, None]
    agree = torch.nn.functional.cosine_similarity(tracks.way, proposed, dim=1) > 0.5
    middle = tracks.way + proposed
    middle = middle / length(middle, norm).clamp_min(1e-12)[:, None]
    radius = torch.minimum(OVERSHOOT * tracks.radius, size)
    usable = agree & tracks.radius.isfinite()
    point = torch.where(usable[:, None], radius[:, None] * middle, tracks.point)
    return replace(tracks, point=point)

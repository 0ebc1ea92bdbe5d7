"""The fast minimum-norm engine: one gradient a step, every distance verified in full precision."""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..types import Images
from .deepfool import Crossing, deepfool
from .projection import step_to_hyperplane

OVERSHOOT = 1.02
"""A step aims a little beyond the linearised boundary."""
TRUSTED = 0.2
"""The estimate along the ray counts where it changes the length by less than this share."""
PATIENCE, WORTH = 2, 0.005
"""An image stops after so many steps that gain less than this share."""
STRETCHES = (1.002, 1.012, 1.05, 1.15)
"""What the verification multiplies the displacement by, in turn, until it crosses."""


class _Search(NamedTuple):
    """Displacement now; the best so far, its radius, and for how many steps it has not improved."""

    now: Float[Tensor, "n d"]
    best: Float[Tensor, "n d"]
    radius: Float[Tensor, " n"]
    idle: Int64[Tensor, " n"]


def minimum_norm(
    model: nn.Module,
    images: Images,
    *,
    candidates: int = 3,
    steps: int = 6,
    low_precision: bool = False,
) -> Crossing:
    """Points just beyond the nearest decision boundary, in L2 inside the pixel box.

    Args:
        model: in evaluation mode with frozen parameters; gradients must reach its input.
        images: `(n, c, h, w)` in [0, 1].
        candidates: how many other classes the first linearisation tries.
        steps: linearisations after that one, at the most; an image that gains nothing stops early.
        low_precision: take the steps in bf16; the verification stays in fp32.
    Source: the projection of FAB (Croce and Hein, arXiv 1907.02044), which structural reliability
    knows as the HL-RF iteration, with Newton's estimate of the radius along the ray. Departures:
    one screen picks the class; what cannot be verified is searched again by `deepfool`.
    """
    with torch.autocast(images.device.type, torch.bfloat16, enabled=low_precision):
        search = _search(model, images, candidates, steps)
    crossing = _verify(model, images, search)
    missed = (~crossing.found).nonzero().flatten()
    if len(missed):
        _put(crossing, missed, deepfool(model, images[missed], candidates=candidates))
    return crossing


def _search(model: nn.Module, images: Tensor, candidates: int, steps: int) -> _Search:
    """The screen, and steps on the images that still gain, regathered into dense batches."""
    start, first = _screen(model, images, candidates)
    radius = torch.full_like(first[:, 0], torch.inf)
    search = _Search(first, first.clone(), radius, torch.zeros_like(start))
    active = torch.arange(len(images), device=images.device)
    for step in range(steps):
        part = _Search(*(column[active] for column in search))
        part = _advance(model, images[active], start[active], part, step)
        _put(search, active, part)
        active = active[part.idle < PATIENCE]
        if not len(active):
            break
    return search


def _put(whole: tuple[Tensor, ...], rows: Tensor, part: tuple[Tensor, ...]) -> None:
    """Write the columns of a part back into their rows."""
    for column, values in zip(whole, part, strict=True):
        column[rows] = values


def _screen(model: nn.Module, images: Tensor, candidates: int) -> tuple[Tensor, Tensor]:
    """Predictions, and the step to the nearest of the linearised boundaries."""
    points = images.detach().requires_grad_()
    logits = model(points).float()
    start = logits.argmax(1)
    tried = min(candidates, logits.shape[1] - 1)
    others = logits.detach().scatter(1, start[:, None], -torch.inf).topk(tried, 1).indices
    best = torch.full_like(logits[:, 0], torch.inf)
    margin, normal = torch.zeros_like(best), torch.zeros_like(points).flatten(1)
    for k in range(tried):
        gap = (logits.gather(1, start[:, None]) - logits.gather(1, others[:, k, None]))[:, 0]
        gradient = torch.autograd.grad(gap.sum(), points, retain_graph=True)[0].flatten(1)
        distance = gap.detach() / gradient.norm(dim=1).clamp_min(1e-12)
        nearer = distance < best
        best = torch.where(nearer, distance, best)
        margin = torch.where(nearer, gap.detach(), margin)
        normal = torch.where(nearer[:, None], gradient, normal)
    return start, OVERSHOOT * step_to_hyperplane(images.flatten(1), normal, margin)


def _advance(
    model: nn.Module, images: Tensor, start: Tensor, search: _Search, step: int
) -> _Search:
    """One linearisation at the current point, against the strongest other class there."""
    origin = images.flatten(1)
    moved = (origin + search.now).clamp(0, 1)
    points = moved.view_as(images).requires_grad_()
    logits = model(points).float()
    other = logits.detach().scatter(1, start[:, None], -torch.inf).argmax(1)
    gap = (logits.gather(1, start[:, None]) - logits.gather(1, other[:, None]))[:, 0]
    normal = torch.autograd.grad(gap.sum(), points)[0].flatten(1)
    gap, now = gap.detach(), moved - origin
    slope = (normal * now).sum(1)
    scale = 1 - gap / slope.where(slope < 0, -torch.inf)
    radius = now.norm(dim=1) * scale
    trusted = (slope < 0) & ((scale - 1).abs() < TRUSTED)
    better = trusted & (radius < search.radius)
    gained = trusted & (radius < (1 - WORTH) * search.radius)
    idle = torch.where(gained | search.radius.isinf(), 0, search.idle + 1)
    best = torch.where(better[:, None], now * scale[:, None], search.best)
    radius = torch.where(better, radius, search.radius)
    return _Search(_next_point(origin, now, gap, slope, normal, step), best, radius, idle)


def _next_point(
    origin: Tensor, now: Tensor, gap: Tensor, slope: Tensor, normal: Tensor, step: int
) -> Tensor:
    """Between the nearest point of the linearised boundary to here and that to the origin."""
    at_origin = gap - slope
    power = normal.square().sum(1).clamp_min(1e-24)
    local = now - (gap / power)[:, None] * normal
    globe = step_to_hyperplane(origin, normal, at_origin.clamp_min(0))
    pull = max(0.1, (1 + step) ** -0.5)
    share = torch.where(at_origin > 0, pull, 0.0)[:, None]
    return OVERSHOOT * torch.lerp(local, globe, share)


@torch.no_grad()
def _verify(model: nn.Module, images: Tensor, search: _Search) -> Crossing:
    """Stretch each displacement until fp32 says that the prediction has changed."""
    start = model(images).argmax(1)
    points, label = images.clone(), torch.full_like(start, -1)
    rows = search.radius.isfinite().nonzero().flatten()
    for factor in STRETCHES:
        step = (factor * search.best[rows]).view_as(images[rows])
        tried = (images[rows] + step).clamp(0, 1)
        said = model(tried).argmax(1)
        crossed = said != start[rows]
        points[rows[crossed]] = tried[crossed]
        label[rows[crossed]] = said[crossed]
        rows = rows[~crossed]
        if not len(rows):
            break
    return Crossing(label >= 0, label, points)

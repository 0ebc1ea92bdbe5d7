"""Multi-class DeepFool inside the pixel box, with a final bisection: short, and checked exactly."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from ..types import Images
from .oracle import gradient_of, likeliest_others
from .projection import Norm, steepness, step_to_hyperplane

LEAST = 1e-4
"""No step is shorter, so that an image on the boundary itself is moved across it."""


class Crossing(NamedTuple):
    """Points just beyond the boundary; where not found, the point is the image itself.

    `passes` counts forward and backward passes.
    """

    found: Bool[Tensor, " n"]
    crossed_label: Int64[Tensor, " n"]
    points: Float[Tensor, "n c h w"]
    passes: Int64[Tensor, " n"]


def deepfool(
    model: nn.Module,
    images: Images,
    *,
    norm: Norm = "2",
    candidates: int = 9,
    steps: int = 30,
    overshoot: float = 0.02,
    bisections: int = 12,
) -> Crossing:
    """The nearest point at which the prediction changes.

    Args:
        model: in evaluation mode with frozen parameters; gradients must reach its input.
        images: `(n, c, h, w)` in [0, 1].
        candidates: how many other classes are tried, by their logits at the image.
        steps: linearisations at the most.
        overshoot: share of a step added so that it crosses.
        bisections: halvings of the segment from the image to the crossing.
    Source: Moosavi-Dezfooli et al., DeepFool, arXiv 1511.04599, algorithm 2. Departures: steps are
    least-norm inside [0, 1]; the crossing is pulled back along the segment; only the classes with
    the largest logits are tried; a search that fails says so.
    """
    with torch.no_grad():
        logits = model(images)
    start = logits.argmax(1)
    ranked = likeliest_others(logits, start, candidates)
    points, passes = images.clone(), torch.ones_like(start)
    active = torch.arange(len(images), device=images.device)
    for _ in range(steps):
        here = points[active]
        said, margins, gradients = _linearize(model, here, start[active], ranked[active])
        passes[active] += 1 + ranked.shape[1]
        going = said == start[active]
        active, here = active[going], here[going]
        if not len(active):
            break
        margin, normal = _nearest(margins[going], gradients[going], norm)
        margin = margin.maximum(LEAST * steepness(normal, norm))
        step = step_to_hyperplane(here.flatten(1), normal, margin, norm)
        moved = here + (1 + overshoot) * step.view_as(here)
        usable = moved.isfinite().flatten(1).all(1)
        active = active[usable]
        points[active] = moved[usable].clamp(0, 1)
    found, label, nearest = _bisect(model, images, points, start, bisections)
    return Crossing(found, label, nearest, passes + 1 + bisections)


def _linearize(
    model: nn.Module, points: Tensor, start: Tensor, ranked: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions, margins `(n, m)` over the ranked classes, and their gradients `(n, m, d)`."""
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        logits = model(points)
        margins = logits.gather(1, start[:, None]) - logits.gather(1, ranked)
    gradients = [
        gradient_of(margins[:, k], points, keep=True).flatten(1) for k in range(margins.shape[1])
    ]
    return logits.argmax(1), margins.detach(), torch.stack(gradients, 1)


def _nearest(margins: Tensor, gradients: Tensor, norm: Norm) -> tuple[Tensor, Tensor]:
    """Margin and gradient of the class whose linearised boundary is nearest."""
    distance = margins.clamp_min(0) / steepness(gradients, norm)
    best = distance.argmin(1)
    rows = torch.arange(len(best), device=best.device)
    return margins[rows, best].clamp_min(0), gradients[rows, best]


@torch.no_grad()
def _bisect(
    model: nn.Module, images: Tensor, points: Tensor, start: Tensor, bisections: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Which points are across, and of each the nearest one on its segment, with its label."""
    label = model(points).argmax(1)
    found = label != start
    low, high = torch.zeros_like(start, dtype=images.dtype), torch.ones(len(images)).to(images)
    for _ in range(bisections):
        middle = (low + high) / 2
        said = model(torch.lerp(images, points, middle[:, None, None, None])).argmax(1)
        crossed = said != start
        label = torch.where(crossed, said, label)
        high = torch.where(crossed, middle, high)
        low = torch.where(crossed, low, middle)
    nearest = torch.lerp(images, points, high[:, None, None, None])
    keep = found[:, None, None, None]
    return found, torch.where(found, label, -1), torch.where(keep, nearest, images)

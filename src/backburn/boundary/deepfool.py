"""Multi-class DeepFool inside the pixel box, with a final bisection."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from ..types import Images
from .model_queries import input_gradient, top_other_classes
from .projection import Norm, dual_norm, step_to_hyperplane

MIN_STEP = 1e-4
"""Shortest step, so that an image on the boundary itself is moved across it."""


class DeepFoolResult(NamedTuple):
    """Points just beyond the boundary; the image itself where none was found.

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
) -> DeepFoolResult:
    """Find a near point at which the prediction changes, for each image.

    Args:
        model: in evaluation mode with frozen parameters; gradients must reach its input.
        images: `(n, c, h, w)` in [0, 1].
        candidates: number of other classes to consider, by their logits at the image.
        steps: most linearizations.
        overshoot: share of a step that is added so that it crosses.
        bisections: halvings of the segment from the image to the crossing.
    Source: Moosavi-Dezfooli et al., DeepFool, arXiv 1511.04599, algorithm 2. Departures: steps have
    the least norm inside [0, 1]; the crossing is pulled back along the segment; only the classes
    with the largest logits are considered; a failed search is reported in `found`.
    """
    with torch.no_grad():
        logits = model(images)
    predictions = logits.argmax(1)
    others = top_other_classes(logits, predictions, candidates)
    points, passes = images.clone(), torch.ones_like(predictions)
    active = torch.arange(len(images), device=images.device)
    for _ in range(steps):
        current = points[active]
        label, margins, gradients = _linearize(model, current, predictions[active], others[active])
        passes[active] += 1 + others.shape[1]
        inside = label == predictions[active]
        active, current = active[inside], current[inside]
        if not len(active):
            break
        margin, normal = _nearest_class(margins[inside], gradients[inside], norm)
        margin = margin.maximum(MIN_STEP * dual_norm(normal, norm))
        step = step_to_hyperplane(current.flatten(1), normal, margin, norm)
        moved = current + (1 + overshoot) * step.view_as(current)
        usable = moved.isfinite().flatten(1).all(1)
        active = active[usable]
        points[active] = moved[usable].clamp(0, 1)
    found, label, nearest = _bisect(model, images, points, predictions, bisections)
    return DeepFoolResult(found, label, nearest, passes + 1 + bisections)


def _linearize(
    model: nn.Module, points: Tensor, predictions: Tensor, others: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions, margins `(n, m)` over the other classes, and their gradients `(n, m, d)`."""
    points = points.detach().requires_grad_()
    with torch.enable_grad():
        logits = model(points)
        margins = logits.gather(1, predictions[:, None]) - logits.gather(1, others)
    gradients = [
        input_gradient(margins[:, k], points, keep=True).flatten(1) for k in range(margins.shape[1])
    ]
    return logits.argmax(1), margins.detach(), torch.stack(gradients, 1)


def _nearest_class(margins: Tensor, gradients: Tensor, norm: Norm) -> tuple[Tensor, Tensor]:
    """Margin and gradient of the class whose linearized boundary is nearest."""
    distance = margins.clamp_min(0) / dual_norm(gradients, norm)
    best = distance.argmin(1)
    rows = torch.arange(len(best), device=best.device)
    return margins[rows, best].clamp_min(0), gradients[rows, best]


@torch.no_grad()
def _bisect(
    model: nn.Module, images: Tensor, points: Tensor, predictions: Tensor, bisections: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Whether each point is across, its label, and the nearest point across on its segment."""
    label = model(points).argmax(1)
    found = label != predictions
    low, high = (
        torch.zeros_like(predictions, dtype=images.dtype),
        torch.ones(len(images)).to(images),
    )
    for _ in range(bisections):
        middle = (low + high) / 2
        labels = model(torch.lerp(images, points, middle[:, None, None, None])).argmax(1)
        crossed = labels != predictions
        label = torch.where(crossed, labels, label)
        high = torch.where(crossed, middle, high)
        low = torch.where(crossed, low, middle)
    nearest = torch.lerp(images, points, high[:, None, None, None])
    keep = found[:, None, None, None]
    return found, torch.where(found, label, -1), torch.where(keep, nearest, images)

"""The fast minimum-norm engine: one gradient a look, every distance verified in full precision."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from ..types import Images
from .budget import Budget
from .certify import OPTIMISM, Crossings, certify
from .deepfool import deepfool
from .oracle import Oracle, flatten
from .projection import Norm, length
from .search import Screened, advance, blend, screen
from .tracks import Tracks, least


class Nearest(NamedTuple):
    """The nearest points at which the prediction changes, and what finding them took.

    Where nothing was found the point is the image itself, the distance inf, and the label -1.
    Where `certified` is False the distance is an estimate, the label the class that is expected
    behind it, and the point lies about on the boundary.
    """

    found: Bool[Tensor, " n"]
    certified: Bool[Tensor, " n"]
    distance: Float[Tensor, " n"]
    crossed_label: Int64[Tensor, " n"]
    points: Float[Tensor, "n c h w"]
    passes: Int64[Tensor, " n"]


def minimum_norm(
    model: nn.Module,
    images: Images,
    *,
    budget: Budget | None = None,
    norm: Norm = "2",
    low_precision: bool = False,
    judge: nn.Module | None = None,
    start: Int64[Tensor, " n"] | None = None,
) -> Nearest:
    """The nearest point to each image, inside the pixel box, that the model calls otherwise.

    Args:
        model: in evaluation mode with frozen parameters; gradients must reach its input.
        images: `(n, c, h, w)` in [0, 1].
        low_precision: take all but the last steps in bf16; verification is in fp32 in any case.
        judge: the module that verifies, where `model` is a faster copy of it.
        start: the judge's predictions in fp32, where they are known; saves a pass.
    Raises:
        InputError: a model with one class.
    Source: the projection of FAB (Croce and Hein, arXiv 1907.02044), which structural reliability
    knows as the HL-RF iteration, with Newton's estimate of the radius along the ray. Departures:
    a screen picks the classes to start towards; momentum; pull and push adapt to each track; what
    cannot be verified is searched again by `deepfool`. docs/boundary.md has each one's worth.
    """
    budget = budget or Budget()
    oracle = Oracle(model, judge or model, images, low_precision, start)
    screened = screen(oracle, budget, norm)
    if not budget.certified:
        return _estimate(oracle, screened, norm)
    tracks = _search(oracle, screened, budget, norm)
    rough = low_precision and not budget.refining
    found = certify(oracle, screened.start, tracks, norm, rough=rough)
    return _rescue(oracle, _nearest(oracle, tracks, found), budget, norm)


def _search(oracle: Oracle, screened: Screened, budget: Budget, norm: Norm) -> Tracks:
    """Every track's opening, the survivors' closing, and the refinement of what is left."""
    start, tracks = screened.start, screened.tracks
    low, patience = oracle.low_precision, budget.patience
    for _ in range(budget.opening):
        tracks = advance(oracle, start, tracks, norm, low=low)
    tracks = tracks.best(budget.survivors)
    active = torch.arange(len(tracks), device=start.device)
    for _ in range(budget.closing):
        part = advance(oracle, start, tracks.take(active), norm, low=low)
        tracks.put(active, part)
        active = active[part.idle < patience]
    active = torch.arange(len(tracks), device=start.device)
    for step in range(budget.refining):
        part = _refine(oracle, start, tracks.take(active), norm, afresh=low and step == 0)
        tracks.put(active, part)
        active = active[part.idle < patience]
    return blend(tracks, norm)


def _refine(oracle: Oracle, start: Tensor, tracks: Tracks, norm: Norm, *, afresh: bool) -> Tracks:
    """A look in fp32 at the blend; `afresh` forgets the radii that bf16 saw, which flatter."""
    blended = blend(tracks, norm)
    known = blended.forgetful() if afresh else blended
    looked = advance(oracle, start, known, norm, low=False)
    untold = looked.radius.isinf()
    looked.radius[untold] = OPTIMISM * tracks.radius[untold]
    return looked


def _nearest(oracle: Oracle, tracks: Tracks, found: Crossings) -> Nearest:
    """The nearest crossing of each image among those of its tracks."""
    rows = least(tracks.image, found.distance, 1)
    distance = found.distance[rows]
    hit = distance.isfinite()
    points = oracle.unflatten(oracle.origin + found.steps[rows])
    return Nearest(hit, hit.clone(), distance, found.label[rows], points, oracle.passes)


def _rescue(oracle: Oracle, nearest: Nearest, budget: Budget, norm: Norm) -> Nearest:
    """Search once more, with the reference, for what was not found."""
    missed = (~nearest.found).nonzero().flatten()
    if len(missed):
        images = oracle.images[missed]
        crossing = deepfool(oracle.judge, images, candidates=budget.candidates, norm=norm)
        size = length(flatten(crossing.points - images), norm)
        nearest.found[missed] = nearest.certified[missed] = crossing.found
        nearest.points[missed] = crossing.points
        nearest.crossed_label[missed] = crossing.crossed_label
        nearest.distance[missed] = torch.where(crossing.found, size, torch.inf)
        nearest.passes[missed] += crossing.passes
    return nearest


def _estimate(oracle: Oracle, screened: Screened, norm: Norm) -> Nearest:
    """What the screen alone says; nothing is certified."""
    step = (oracle.origin + screened.nearest_step).clamp(0, 1) - oracle.origin
    distance = length(step, norm)
    found = (distance > 0) & screened.reached
    points = oracle.origin + torch.where(found[:, None], step, 0.0)
    return Nearest(
        found,
        torch.zeros_like(found),
        torch.where(found, distance, torch.inf),
        torch.where(found, screened.nearest_label, -1),
        oracle.unflatten(points),
        oracle.passes,
    )

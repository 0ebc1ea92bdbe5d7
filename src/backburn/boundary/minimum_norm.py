"""The minimum-norm search: one gradient per step, every distance verified in full precision."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from ..types import Images
from .budget import Budget
from .certify import OPTIMISM_FACTOR, Crossings, certify
from .deepfool import deepfool
from .model_queries import Oracle, flatten
from .projection import Norm, step_norm
from .search_state import Tracks, smallest_per_image
from .track_steps import ScreenResult, advance_tracks, blend_directions, screen_classes


class NearestPoints(NamedTuple):
    """The nearest points at which the prediction changes.

    If nothing was found, the point is the image itself, the distance inf, and the label -1. If
    `certified` is False, the distance is an estimate, the label the class expected beyond the
    boundary, and the point lies approximately on the boundary. `passes` counts forward and backward
    passes.
    """

    found: Bool[Tensor, " n"]
    certified: Bool[Tensor, " n"]
    distance: Float[Tensor, " n"]
    crossed_label: Int64[Tensor, " n"]
    points: Float[Tensor, "n c h w"]
    passes: Int64[Tensor, " n"]


def find_nearest_points(
    model: nn.Module,
    images: Images,
    *,
    budget: Budget | None = None,
    norm: Norm = "2",
    low_precision: bool = False,
    reference: nn.Module | None = None,
    predictions: Int64[Tensor, " n"] | None = None,
) -> NearestPoints:
    """The nearest point to each image, inside the pixel box, that has another predicted class.

    Args:
        model: in evaluation mode with frozen parameters; gradients must reach its input.
        images: `(n, c, h, w)` in [0, 1].
        low_precision: take all but the last steps in bf16; verification is in fp32 in any case.
        reference: the module that verifies, if `model` is a faster copy of it.
        predictions: the fp32 predictions of that module, if known; saves a pass.
    Raises:
        InputError: a model with one class.
    Source: the projection of FAB (Croce and Hein, arXiv 1907.02044), which structural reliability
    knows as the HL-RF iteration, with Newton's estimate of the radius along the ray. Departures:
    a screen picks the classes to start towards; momentum; pull and push adapt to each track; what
    cannot be verified is searched again by `deepfool`. docs/boundary.md has each one's worth.
    """
    budget = budget or Budget()
    oracle = Oracle(model, reference or model, images, low_precision, predictions)
    screened = screen_classes(oracle, budget, norm)
    if not budget.certified:
        return _linear_estimate(oracle, screened, norm)
    tracks = _search(oracle, screened, budget, norm)
    rough = low_precision and not budget.refining
    crossings = certify(oracle, screened.predictions, tracks, norm, low_precision=rough)
    return _retry_with_deepfool(oracle, _nearest_crossing(oracle, tracks, crossings), budget, norm)


def _search(oracle: Oracle, screened: ScreenResult, budget: Budget, norm: Norm) -> Tracks:
    """Take the opening steps of all tracks, the closing steps of the best, and refine these."""
    predictions, tracks = screened.predictions, screened.tracks
    low, patience = oracle.low_precision, budget.patience
    for _ in range(budget.opening):
        tracks = advance_tracks(oracle, predictions, tracks, norm, low=low)
    tracks = tracks.best(budget.survivors)
    active = torch.arange(len(tracks), device=predictions.device)
    for _ in range(budget.closing):
        part = advance_tracks(oracle, predictions, tracks.take(active), norm, low=low)
        tracks.put(active, part)
        active = active[part.idle < patience]
    active = torch.arange(len(tracks), device=predictions.device)
    for step in range(budget.refining):
        part = _refine(oracle, predictions, tracks.take(active), norm, reset=low and step == 0)
        tracks.put(active, part)
        active = active[part.idle < patience]
    return blend_directions(tracks, norm)


def _refine(
    oracle: Oracle, predictions: Tensor, tracks: Tracks, norm: Norm, *, reset: bool
) -> Tracks:
    """A step in fp32 from the blended direction.

    Args:
        reset: discard the radii that bf16 estimated, which are too short.
    """
    blended = blend_directions(tracks, norm)
    start = blended.without_radius() if reset else blended
    advanced = advance_tracks(oracle, predictions, start, norm, low=False)
    unknown = advanced.radius.isinf()
    advanced.radius[unknown] = OPTIMISM_FACTOR * tracks.radius[unknown]
    return advanced


def _nearest_crossing(oracle: Oracle, tracks: Tracks, crossings: Crossings) -> NearestPoints:
    """The nearest crossing of each image among those of its tracks."""
    rows = smallest_per_image(tracks.image, crossings.distance, 1)
    distance = crossings.distance[rows]
    found = distance.isfinite()
    points = oracle.unflatten(oracle.origin + crossings.steps[rows])
    return NearestPoints(
        found, found.clone(), distance, crossings.label[rows], points, oracle.passes
    )


def _retry_with_deepfool(
    oracle: Oracle, nearest: NearestPoints, budget: Budget, norm: Norm
) -> NearestPoints:
    """Search once more, with the reference module, for the images without a crossing."""
    missed = (~nearest.found).nonzero().flatten()
    if len(missed):
        images = oracle.images[missed]
        crossing = deepfool(oracle.reference, images, candidates=budget.candidates, norm=norm)
        size = step_norm(flatten(crossing.points - images), norm)
        nearest.found[missed] = nearest.certified[missed] = crossing.found
        nearest.points[missed] = crossing.points
        nearest.crossed_label[missed] = crossing.crossed_label
        nearest.distance[missed] = torch.where(crossing.found, size, torch.inf)
        nearest.passes[missed] += crossing.passes
    return nearest


def _linear_estimate(oracle: Oracle, screened: ScreenResult, norm: Norm) -> NearestPoints:
    """The estimate of the screen alone; nothing is certified."""
    step = (oracle.origin + screened.nearest_step).clamp(0, 1) - oracle.origin
    distance = step_norm(step, norm)
    found = (distance > 0) & screened.reached
    points = oracle.origin + torch.where(found[:, None], step, 0.0)
    return NearestPoints(
        found,
        torch.zeros_like(found),
        torch.where(found, distance, torch.inf),
        torch.where(found, screened.nearest_label, -1),
        oracle.unflatten(points),
        oracle.passes,
    )

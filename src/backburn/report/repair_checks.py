"""Checks of a repair that need neither the trigger nor the true labels."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..boundary.search_boundary import search_boundary
from ..memory_mapped import evenly_spaced
from ..metrics import share_of_true
from ..models.inference import predict
from ..results import Suspects, Unlearned
from ..types import BoundaryResult, Case, Flags, Index, Labels, PerImage, Progress, no_progress

MAX_PREDICTED = 5000
"""Maximum number of images to predict, of suspects and of other images each."""
MAX_SEARCHED = 64
"""Maximum number of images whose boundary is searched."""
BATCH_SIZE = 512


@dataclass(frozen=True, slots=True)
class RepairChecks:
    """Measures before and after a repair, without the truth; NaN if there is nothing to count.

    Args:
        accuracy: share of the training images outside the suspects that the model predicts as
            labeled.
        reversion: share of the suspects predicted as their restored label, among those whose
            restored label differs from the given one.
        distance: median boundary distance (L2) of the other images of the target classes.
        images: number of images behind `accuracy`.
        suspects: number of suspects behind `reversion`.
        searched: number of images behind `distance`.
    """

    accuracy: tuple[float, float]
    reversion: tuple[float, float]
    distance: tuple[float, float]
    images: int
    suspects: int
    searched: int


def measure_checks(
    case: Case, repaired: Unlearned, budget: str, progress: Progress = no_progress
) -> RepairChecks | None:
    """Measure the checks of a repair; None if it had no suspects.

    Predictions and distances that the repair has already computed are used again.

    Args:
        case: the model before the repair, and the images.
        repaired: the result of the repair.
        budget: effort of the boundary search.
        progress: called after each batch of predictions.
    """
    suspects, labels = repaired.suspects, case.images.labels
    if not len(suspects):
        return None
    is_other = torch.ones(len(labels), dtype=torch.bool)
    is_other[suspects.index] = False
    in_target = torch.isin(labels, suspects.given_label)
    other_rows = sample_flagged(is_other, MAX_PREDICTED)
    suspect_rows = sample_flagged(~is_other, MAX_PREDICTED)
    has_distance = repaired.boundary.found & is_other & in_target
    candidates = has_distance if bool(has_distance.any()) else is_other & in_target
    searched_rows = sample_flagged(candidates, MAX_SEARCHED)
    models = [*zip((case.model, repaired.model), repaired.predictions, strict=True)]
    predicted = [
        [_predict_missing(case, model, cached, rows, progress) for model, cached in models]
        for rows in (other_rows, suspect_rows)
    ]
    before = _distance_before(case, repaired.boundary, searched_rows, budget)
    after = _distance(case, repaired.model, searched_rows, budget)
    accuracy, reversion = accuracy_and_reversion(
        labels, other_rows, suspects, suspect_rows, predicted
    )
    return RepairChecks(
        accuracy,
        reversion,
        distance=(finite_median(before), finite_median(after)),
        images=len(other_rows),
        suspects=len(suspect_rows),
        searched=len(searched_rows),
    )


def accuracy_and_reversion(
    labels: Labels,
    other_rows: Tensor,
    suspects: Suspects,
    suspect_rows: Tensor,
    predicted: list[list[Tensor]],
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return accuracy on the other images and reversion of the suspects, before and after each.

    Args:
        labels: given labels `(n,)` of all images.
        other_rows: predicted images that aren't suspects.
        suspects: all suspects.
        suspect_rows: predicted suspects.
        predicted: labels predicted before and after the repair, first for `other_rows`, then for
            `suspect_rows`.
    """
    restored = labels.clone()
    restored[suspects.index] = suspects.restored_label
    is_changed = (restored != labels)[suspect_rows]
    of_others, of_suspects = predicted
    accuracy = [share_of_true(prediction == labels[other_rows]) for prediction in of_others]
    reversion = [
        share_of_true((prediction == restored[suspect_rows])[is_changed])
        for prediction in of_suspects
    ]
    return (accuracy[0], accuracy[1]), (reversion[0], reversion[1])


def sample_flagged(chosen: Flags, count: int) -> Index:
    """Return at most `count` of the flagged rows, evenly spaced.

    >>> sample_flagged(torch.ones(100, dtype=torch.bool), 3).tolist()
    [0, 49, 99]
    """
    return evenly_spaced(chosen.nonzero().flatten(), count)


def finite_median(distances: PerImage) -> float:
    """Return the median of the finite distances; NaN if there are none.

    >>> finite_median(torch.tensor([1.0, 2.0, 3.0, torch.inf]))
    2.0
    """
    finite = distances[distances.isfinite()]
    return float(finite.median()) if len(finite) else float("nan")


def _predict_missing(
    case: Case, model: nn.Module, cached: Labels | None, rows: Index, progress: Progress
) -> Index:
    """Return the labels that a model predicts for these rows, using what is cached.

    Pixels are copied in batches, because they may be memory-mapped.

    Args:
        cached: predicted label of each image of the case, -1 where unknown; None if all are.
    """
    predicted = torch.full((len(rows),), -1) if cached is None else cached[rows]
    missing, pixels = (predicted < 0).nonzero().flatten(), case.images.pixels
    for start in range(0, len(missing), BATCH_SIZE):
        batch = missing[start : start + BATCH_SIZE]
        predicted[batch] = predict(model, pixels[rows[batch].to(pixels.device)]).argmax(1)
        progress("checks", start + len(batch), len(missing))
    return predicted


def _distance_before(case: Case, boundary: BoundaryResult, rows: Index, budget: str) -> PerImage:
    """Return distances to the boundary of the unrepaired model, searched if any is unknown."""
    if bool(boundary.found[rows].all()):
        return boundary.distance[rows]
    return _distance(case, case.model, rows, budget)


def _distance(case: Case, model: nn.Module, rows: Index, budget: str) -> PerImage:
    pixels = case.images.pixels[rows.to(case.images.pixels.device)]
    return search_boundary(model, pixels, budget=budget, phase="checks").distance

"""What a repair did, told without the trigger: nobody has to know the attack for it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..boundary.distances import boundary
from ..memory_mapped import evenly
from ..metrics import rate
from ..models.inference import predict
from ..types import (
    BoundaryResult,
    Case,
    Flags,
    Index,
    Labels,
    PerImage,
    Progress,
    Suspects,
    Unlearned,
    silent,
)

ASKED, SEARCHED = 5000, 64
"""Images whose label is asked for, and images whose boundary is searched, at the most."""
AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Checks:
    """Before and after a repair, without the truth; NaN where nothing is counted.

    `accuracy`: share of the training images that were no suspects which the model calls by their
    label. `reversion`: share of the suspects that it calls by their restored label, of those whose
    label changed. `distance`: median boundary distance (L2) of the target classes' other images.
    """

    accuracy: tuple[float, float]
    reversion: tuple[float, float]
    distance: tuple[float, float]
    images: int
    suspects: int
    searched: int


def measure_checks(
    case: Case, repaired: Unlearned, budget: str, progress: Progress = silent
) -> Checks | None:
    """The checks of a repair; None where nothing was repaired.

    What the repair has asked the models, and the distances that it knows, are not asked again.
    """
    suspects, labels = repaired.suspects, case.images.labels
    if not len(suspects):
        return None
    plain = torch.ones(len(labels), dtype=torch.bool)
    plain[suspects.index] = False
    targets = torch.isin(labels, suspects.given_label)
    kept, marked = spread(plain, ASKED), spread(~plain, ASKED)
    known = repaired.boundary.found & plain & targets
    near = spread(known if bool(known.any()) else plain & targets, SEARCHED)
    sides = [*zip((case.model, repaired.model), repaired.predictions, strict=True)]
    said = [[_said(case, *side, rows, progress) for side in sides] for rows in (kept, marked)]
    before = _known_distance(case, repaired.boundary, near, budget)
    after = _distance(case, repaired.model, near, budget)
    return Checks(
        *shares(labels, kept, suspects, marked, said),
        distance=(median(before), median(after)),
        images=len(kept),
        suspects=len(marked),
        searched=len(near),
    )


def shares(
    labels: Labels, kept: Tensor, suspects: Suspects, marked: Tensor, said: list[list[Tensor]]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Accuracy on the images kept, and reversion of those marked; each before and after.

    Args:
        kept, marked: rows.
        said: what each model calls the images kept, and those marked.
    """
    restored = labels.clone()
    restored[suspects.index] = suspects.restored_label
    changed = (restored != labels)[marked]
    accuracy = [rate(each == labels[kept]) for each in said[0]]
    reversion = [rate((each == restored[marked])[changed]) for each in said[1]]
    return (accuracy[0], accuracy[1]), (reversion[0], reversion[1])


def spread(chosen: Flags, count: int) -> Index:
    """At most `count` of the rows chosen, evenly spaced."""
    return evenly(chosen.nonzero().flatten(), count)


def median(distances: PerImage) -> float:
    """Of those that were found; NaN where none was."""
    found = distances[distances.isfinite()]
    return float(found.median()) if len(found) else float("nan")


def _said(
    case: Case, model: nn.Module, known: Labels | None, rows: Index, progress: Progress
) -> Index:
    """What a model calls these images; few of them are copied at a time.

    Args:
        known: what it calls each image of the case, -1 where nobody asked; None where of none.
    """
    said = torch.full((len(rows),), -1) if known is None else known[rows]
    unknown, pixels = (said < 0).nonzero().flatten(), case.images.pixels
    for done in range(0, len(unknown), AT_ONCE):
        part = unknown[done : done + AT_ONCE]
        said[part] = predict(model, pixels[rows[part].to(pixels.device)]).argmax(1)
        progress("checks", done + len(part), len(unknown))
    return said


def _known_distance(case: Case, known: BoundaryResult, rows: Index, budget: str) -> PerImage:
    """Of the given model; searched where the repair did not."""
    if bool(known.found[rows].all()):
        return known.distance[rows]
    return _distance(case, case.model, rows, budget)


def _distance(case: Case, model: nn.Module, rows: Index, budget: str) -> PerImage:
    pixels = case.images.pixels[rows.to(case.images.pixels.device)]
    return boundary(model, pixels, budget=budget, phase="checks").distance

"""What a repair did, told without the trigger: nobody has to know the attack for it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..boundary.distances import boundary
from ..mapping import evenly
from ..metrics import rate
from ..models.inference import predict
from ..types import Case, Flags, Index, Labels, PerImage, Progress, Suspects, Unlearned, silent

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
    """The checks of a repair; None where nothing was repaired."""
    suspects, labels = repaired.suspects, case.images.labels
    if not len(suspects):
        return None
    plain = torch.ones(len(labels), dtype=torch.bool)
    plain[suspects.index] = False
    targets = torch.isin(labels, suspects.given_label)
    kept, marked = spread(plain, ASKED), spread(~plain, ASKED)
    near = spread(plain & targets, SEARCHED)
    sides = (case.model, repaired.model)
    said = [[_said(case, model, rows, progress) for model in sides] for rows in (kept, marked)]
    found = [_distance(case, model, near, budget) for model in sides]
    return Checks(
        *shares(labels, kept, suspects, marked, said),
        distance=(median(found[0]), median(found[1])),
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


def _said(case: Case, model: nn.Module, rows: Index, progress: Progress) -> Labels:
    """What a model calls these images; few of them are copied at a time."""
    pixels, said = case.images.pixels, [torch.empty(0, dtype=torch.long)]
    for part in rows.to(pixels.device).split(AT_ONCE):  # type: ignore[no-untyped-call]
        said.append(predict(model, pixels[part]).argmax(1))
        progress("checks", sum(map(len, said)), len(rows))
    return torch.cat(said)


def _distance(case: Case, model: nn.Module, rows: Index, budget: str) -> PerImage:
    pixels = case.images.pixels[rows.to(case.images.pixels.device)]
    return boundary(model, pixels, budget=budget, phase="checks").distance

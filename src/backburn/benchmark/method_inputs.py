"""Handing a method what it is given, and nothing else."""

import torch

from ..data.sampling import stratified
from ..interfaces import Given
from ..types import Case, LabeledImages, State, Truth


def handed(
    case: Case,
    truth: Truth,
    given: Given,
    generator: torch.Generator,
    reserve: LabeledImages | None = None,
) -> Case:
    """The case as a method is to see it.

    The holdout has of every class its share. It is drawn from `reserve`, clean images that no
    victim was trained on; without them from the training images that nothing was done to, as
    BackdoorBench draws it.

    Args:
        generator: draws the holdout; every method of a victim gets the same with the same seed.
    """
    untouched = (truth.state == State.CLEAN).nonzero().flatten()
    images = {
        "poisoned": case.images,
        "clean": case.images.take(untouched),
        "none": case.images.take(untouched[:0]),
    }[given.training]
    if not given.holdout:
        return Case(case.model, images)
    count = max(1, round(given.holdout * len(case.images)))
    source = case.images.take(untouched) if reserve is None else reserve
    rows = stratified(source.labels, count, generator)
    return Case(case.model, images, source.take(rows).on(case.images.pixels.device))

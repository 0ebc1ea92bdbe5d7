"""Handing a method what it is given, and nothing else."""

import torch

from ..data.sampling import stratified
from ..methods import Given
from ..types import Case, LabeledImages, State, Truth


def handed(case: Case, truth: Truth, given: Given, generator: torch.Generator) -> Case:
    """The case as a method is to see it.

    The holdout is drawn, of every class its share, from the training images that nothing was done
    to, as BackdoorBench draws it: the victim has seen them, but nobody else has held them back.

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
    return Case(case.model, images, _holdout(case.images, untouched, given.holdout, generator))


def _holdout(
    images: LabeledImages, untouched: torch.Tensor, share: float, generator: torch.Generator
) -> LabeledImages:
    count = max(1, round(share * len(images)))
    rows = stratified(images.labels[untouched], count, generator)
    return images.take(untouched[rows])

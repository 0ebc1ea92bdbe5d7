"""The public face: audit and repair on models and images that are in memory already."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .burn.base import Unlearning
from .burn.burn import BURN
from .data.arrays import from_arrays
from .data.review import Review
from .data.reviews import read_review
from .data.sampling import stratified
from .types import Audit, Case, Evidence, Index, Progress, Unlearned, silent


def audit(
    model: nn.Module,
    images: Any,
    labels: Any,
    *,
    class_names: tuple[str, ...] = (),
    max_images: int | None = None,
    method: BURN | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Audit:
    """Say whether a model was backdoored by its training images, and by which of them.

    Args:
        model: any module that maps `(n, c, h, w)` float pixels in [0, 1] to logits `(n, k)`, on
            any device; left as it was.
        images: the training images, an array or tensor: `(n, c, h, w)` or `(n, h, w, c)` with 1
            or 3 channels, or `(n, h, w)`; uint8, or floats in [0, 1], rounded to 8 bits.
        labels: `(n,)` class numbers from 0, as the training set has them.
        max_images: look at so many images only, of every class its share; rows in the result
            are those of all images, and nothing is found for the others.
        method: hyperparameters; BURN's defaults where None.
    Returns:
        `verdict`, `suspects` (rows, given and restored labels), `evidence` (a score in [0, 1] for
        every image) and `boundary` (distance and crossed label for every image).
    Raises:
        InputError: images, labels or a model that do not fit together.
    """
    given, generator = from_arrays(images, labels, class_names), torch.Generator().manual_seed(seed)
    if max_images is None:
        return (method or BURN()).audit(Case(model, given), generator, progress)
    rows = stratified(given.labels, max_images, generator)
    part = (method or BURN()).audit(Case(model, given.take(rows)), generator, progress)
    return _of_all(part, rows, len(given))


def _of_all(part: Audit, rows: Index, count: int) -> Audit:
    """What was found of some rows, as rows of all `count` images."""
    score, flagged = torch.zeros(count), torch.zeros(count, dtype=torch.bool)
    score[rows], flagged[rows] = part.evidence.score, part.evidence.flagged
    suspects = replace(part.suspects, index=rows[part.suspects.index])
    boundary = part.boundary.scattered(rows, count)
    return Audit(suspects, Evidence(score, flagged), part.verdict, boundary)


def repair(
    model: nn.Module,
    images: Any,
    labels: Any,
    *,
    class_names: tuple[str, ...] = (),
    holdout: tuple[Any, Any] | None = None,
    method: Unlearning | None = None,
    review: Review | str | Path | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Unlearned:
    """Audit a model, and where it is backdoored, return a repaired copy.

    Arguments and errors are those of `audit`, and part of the training set is enough.

    Args:
        holdout: images and labels that are known to be clean; they are trained on, too.
        method: `BURN()`, or `PaperBURN()` for the method as published.
        review: what a person decided about suspects, or a `review.csv` whose images are row
            numbers; rejected ones stay clean, accepted ones are unlearned.
    Returns:
        As `audit` does, and `model`: a repaired copy, or the given model itself where nothing was
        flagged; `history`: seconds and figures of each phase.
    """
    trusted = from_arrays(*holdout, class_names) if holdout else None
    case = Case(model, from_arrays(images, labels, class_names), trusted)
    if review is not None and not isinstance(review, Review):
        review = read_review(review, case.images)
    generator = torch.Generator().manual_seed(seed)
    return (method or BURN()).repair(case, generator, progress, review=review)

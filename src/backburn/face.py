"""The public face: audit and repair on models and images that are in memory already."""

from typing import Any

import torch
from torch import nn

from .burn.burn import BURN
from .data.arrays import from_arrays
from .types import Audit, Case, Progress, Repaired, silent


def audit(
    model: nn.Module,
    images: Any,
    labels: Any,
    *,
    class_names: tuple[str, ...] = (),
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
        method: hyperparameters; BURN's defaults where None.
    Returns:
        `verdict`, `suspects` (rows, given and restored labels), `evidence` (a score in [0, 1] for
        every image) and `boundary` (distance and crossed label for every image).
    Raises:
        InputError: images, labels or a model that do not fit together.
    """
    case = Case(model, from_arrays(images, labels, class_names))
    return (method or BURN()).audit(case, torch.Generator().manual_seed(seed), progress)


def repair(
    model: nn.Module,
    images: Any,
    labels: Any,
    *,
    class_names: tuple[str, ...] = (),
    method: BURN | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Repaired:
    """Audit a model, and where it is backdoored, return a repaired copy.

    Arguments and errors are those of `audit`.

    Returns:
        As `audit` does, and `model`: a repaired copy, or the given model itself where nothing was
        flagged; `history`: seconds and figures of each phase.
    """
    case = Case(model, from_arrays(images, labels, class_names))
    return (method or BURN()).repair(case, torch.Generator().manual_seed(seed), progress)

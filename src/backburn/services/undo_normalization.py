"""Finding the normalization of a data set, and undoing it."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError

Normalization: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel, in [0, 1] units."""
NESTED_ATTRIBUTES = ("transform", "transforms", "dataset", "datasets")
"""Attributes in which data sets and transforms hold nested ones."""
TOLERANCE = 2e-3
"""How far rounding may take values out of [0, 1]."""
MAX_DEPTH = 6
"""Levels of nesting that are searched."""


def find_normalization(dataset: Any) -> Normalization | None:
    """Mean and standard deviation of the `Normalize` among a data set's transforms, if any.

    Transforms of torchvision, albumentations and others have this class name.
    """
    for part in _parts(dataset, MAX_DEPTH):
        mean, std = getattr(part, "mean", None), getattr(part, "std", None)
        if type(part).__name__ == "Normalize" and mean is not None and std is not None:
            return _numbers(mean), _numbers(std)
    return None


def _parts(holder: Any, depth: int) -> Iterator[Any]:
    """The holder and everything nested in it, outermost first."""
    yield holder
    for name in NESTED_ATTRIBUTES if depth else ():
        value = vars(holder).get(name) if hasattr(holder, "__dict__") else None
        for part in value if isinstance(value, (list, tuple, torch.nn.ModuleList)) else (value,):
            if part is not None:
                yield from _parts(part, depth - 1)


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in np.atleast_1d(np.asarray(values)).flatten())


def undo_normalization(image: Tensor, normalization: Normalization) -> Tensor:
    """Images `(..., c, h, w)` in [0, 1], as they were before normalization.

    Raises:
        InputError: another number of channels, or the result is not in [0, 1].

    >>> undo_normalization(torch.zeros(1, 2, 2), ((0.25,), (0.5,))).unique()
    tensor([0.2500])
    """
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in normalization)
    if image.ndim < 3 or (image.shape[-3] not in (1, mean.shape[0]) and mean.shape[0] != 1):
        raise InputError(
            f"mean and std are for {mean.shape[0]} channels, the images have shape "
            f"{tuple(image.shape)}: give one number a channel"
        )
    pixels = image.float() * std + mean
    low, high = float(pixels.min()), float(pixels.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise InputError(
            f"undoing mean {normalization[0]} and std {normalization[1]} leaves values from "
            f"{low:.3g} to {high:.3g}: give those that the images were normalized with"
        )
    return pixels.clamp(0, 1)


def is_normalized(values: Any) -> bool:
    """Whether an image or images are floats with negative values, so not in [0, 1].

    >>> is_normalized([[-1.0, 1.0]]), is_normalized([[0.0, 1.0]])
    (True, False)
    """
    array = np.asarray(values)
    return array.dtype.kind == "f" and bool(array.size) and float(array.min()) < -TOLERANCE


def unknown_normalization(source: str, values: Any) -> InputError:
    """The error for images that are normalized in an unknown way."""
    array = np.asarray(values)
    return InputError(
        f"the images of {source} are normalized already (values from {array.min():.3g} to "
        f"{array.max():.3g}): give mean=(...) and std=(...) of that, or images without it"
    )

"""A data set that normalizes already: found out, and undone once."""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError

Normalization: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel, in [0, 1] units."""
INSIDE = ("transform", "transforms", "dataset", "datasets")
"""Where data sets and transforms keep further ones."""
SLACK = 2e-3
"""What rounding may add to values in [0, 1]."""
DEPTH = 6


def normalization_of(dataset: Any) -> Normalization | None:
    """The `Normalize` among a data set's transforms, as torchvision's and others' are called."""
    for part in _parts(dataset, DEPTH):
        mean, std = getattr(part, "mean", None), getattr(part, "std", None)
        if type(part).__name__ == "Normalize" and mean is not None and std is not None:
            return _numbers(mean), _numbers(std)
    return None


def _parts(holder: Any, depth: int) -> Iterator[Any]:
    """Everything that is held inside, the holder first."""
    yield holder
    for name in INSIDE if depth else ():
        held = vars(holder).get(name) if hasattr(holder, "__dict__") else None
        for each in held if isinstance(held, (list, tuple, torch.nn.ModuleList)) else (held,):
            if each is not None:
                yield from _parts(each, depth - 1)


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in np.atleast_1d(np.asarray(values)).flatten())


def undone(image: Tensor, normalization: Normalization) -> Tensor:
    """Images `(..., c, h, w)` as they were before they were normalized, in [0, 1].

    Raises:
        InputError: they were normalized in another way.
    """
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in normalization)
    if image.ndim < 3 or (image.shape[-3] not in (1, mean.shape[0]) and mean.shape[0] != 1):
        raise InputError(
            f"mean and std are for {mean.shape[0]} channels, the images have shape "
            f"{tuple(image.shape)}: give one number a channel"
        )
    pixels = image.float() * std + mean
    low, high = float(pixels.min()), float(pixels.max())
    if low < -SLACK or high > 1 + SLACK:
        raise InputError(
            f"undoing mean {normalization[0]} and std {normalization[1]} leaves values from "
            f"{low:.3g} to {high:.3g}: give those that the images were normalized with"
        )
    return pixels.clamp(0, 1)


def is_normalized(values: Any) -> bool:
    """Whether an image or images are floats around zero, which no pixels in [0, 1] are."""
    array = np.asarray(values)
    return array.dtype.kind == "f" and bool(array.size) and float(array.min()) < -SLACK


def ask_for_normalization(where: str, values: Any) -> InputError:
    """The error for images whose normalization nobody says."""
    array = np.asarray(values)
    return InputError(
        f"the images of {where} are normalized already (values from {array.min():.3g} to "
        f"{array.max():.3g}): give mean=(...) and std=(...) of that, or images without it"
    )

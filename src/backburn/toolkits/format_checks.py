"""Is this what the format says it is? Of values that `load_inert` has opened."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..types import Labels
from .safe_torch_load import InertArray


def numbers_of(held: Any, what: str) -> np.ndarray:
    """A list, a tensor or an array of numbers, in one dimension.

    Raises:
        InputError: anything else.
    """
    values = held.values if isinstance(held, InertArray) else held
    if isinstance(values, Tensor):
        check_storage(values, what)
        values = values.detach().double().numpy() if values.is_floating_point() else values.numpy()
    if isinstance(values, list) and all(type(v) in (int, float, bool) for v in values):
        values = np.array(values, dtype=None if values else np.int64)
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "biuf":
        raise InputError(f"{what} is no list of numbers")
    return values


def whole_numbers(held: Any, what: str, below: int) -> Labels:
    """Whole numbers from 0 to below a bound, as int64 `(n,)`.

    Raises:
        InputError: fractions, floats of any kind, or numbers out of range.
    """
    values = numbers_of(held, what)
    if values.dtype.kind not in "iu" and values.size:
        raise InputError(f"{what} holds {values.dtype}: give whole numbers")
    if values.size and not (int(values.min()) >= 0 and int(values.max()) < below):
        raise InputError(f"{what} holds numbers out of range: they go from 0 to {below - 1}")
    return torch.from_numpy(values.astype(np.int64))


def plain_weights(held: Any, what: str) -> dict[str, Tensor]:
    """A state_dict without the prefix of `DataParallel`.

    Raises:
        InputError: no tensors by name, or tensors larger than what the file holds of them.
    """
    named = isinstance(held, dict) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in held.items()
    )
    if not named or not held:
        raise InputError(f"{what} is no state_dict: it needs tensors by name")
    for name, tensor in held.items():
        check_storage(tensor, f"{name!r} of {what}")
    wrapped = all(key.startswith("module.") for key in held)
    return {
        key.removeprefix("module.") if wrapped else key: weight.detach()
        for key, weight in held.items()
    }


def check_storage(tensor: Tensor, what: str) -> None:
    """A few bytes can pose as a tensor of any size, by strides of 0.

    Raises:
        InputError: a tensor larger than its bytes, or without any.
    """
    strided = tensor.layout == torch.strided and not tensor.is_meta
    if not strided or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise InputError(f"{what} is larger than the file that holds it: it is not opened")

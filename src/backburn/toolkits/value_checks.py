"""Type checks of values read by `safe_load`."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..types import Labels
from .safe_torch_load import InertArray


def as_numbers(value: Any, what: str) -> np.ndarray:
    """Numbers in one dimension, from a list, a tensor or an array.

    Args:
        value: what was read.
        what: name of the value, for messages.
    Raises:
        InputError: the value is anything else.

    >>> as_numbers([1, 2], "labels")
    array([1, 2])
    """
    values = value.values if isinstance(value, InertArray) else value
    if isinstance(values, Tensor):
        check_storage(values, what)
        values = values.detach().double().numpy() if values.is_floating_point() else values.numpy()
    if isinstance(values, list) and all(type(v) in (int, float, bool) for v in values):
        values = np.array(values, dtype=None if values else np.int64)
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "biuf":
        raise InputError(f"{what} is no list of numbers")
    return values


def as_integers(value: Any, what: str, below: int) -> Labels:
    """Integers in [0, below), as int64 `(n,)`.

    Raises:
        InputError: the values are floats or out of range.

    >>> as_integers([1, 2], "labels", below=10)
    tensor([1, 2])
    """
    values = as_numbers(value, what)
    if values.dtype.kind not in "iu" and values.size:
        raise InputError(f"{what} holds {values.dtype}: give whole numbers")
    if values.size and not (int(values.min()) >= 0 and int(values.max()) < below):
        raise InputError(f"{what} holds numbers out of range: they go from 0 to {below - 1}")
    return torch.from_numpy(values.astype(np.int64))


def as_state_dict(value: Any, what: str) -> dict[str, Tensor]:
    """A state_dict, without the prefix of `DataParallel`.

    Raises:
        InputError: the value is no dict of tensors, or a tensor is larger than its storage.
    """
    named = isinstance(value, dict) and all(
        isinstance(key, str) and isinstance(weight, Tensor) for key, weight in value.items()
    )
    if not named or not value:
        raise InputError(f"{what} is no state_dict: it needs tensors by name")
    for name, tensor in value.items():
        check_storage(tensor, f"{name!r} of {what}")
    wrapped = all(key.startswith("module.") for key in value)
    return {
        key.removeprefix("module.") if wrapped else key: weight.detach()
        for key, weight in value.items()
    }


def check_storage(tensor: Tensor, what: str) -> None:
    """Refuse a tensor that is larger than its storage: with strides of 0 a few bytes suffice.

    Raises:
        InputError: the tensor has more elements than its storage, or no storage.
    """
    strided = tensor.layout == torch.strided and not tensor.is_meta
    if not strided or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise InputError(f"{what} is larger than the file that holds it: it is not opened")

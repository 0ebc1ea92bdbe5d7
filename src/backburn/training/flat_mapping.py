"""Nested state as one flat mapping of tensors, for safetensors files."""

from collections.abc import Mapping

import torch
from torch import Tensor


def add_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with `prefix` before each name.

    >>> list(add_prefix("model.", {"bias": torch.zeros(1)}))
    ['model.bias']
    """
    return {prefix + name: tensor for name, tensor in tensors.items()}


def strip_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names start with `prefix`, without it.

    >>> list(strip_prefix("model.", {"model.bias": torch.zeros(1), "step": torch.zeros(1)}))
    ['bias']
    """
    size = len(prefix)
    return {name[size:]: value for name, value in tensors.items() if name.startswith(prefix)}


def flatten_optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State tensors of each parameter of an optimizer, named `INDEX.NAME`."""
    flat: dict[str, Tensor] = {}
    for index, entry in optimizer.state_dict()["state"].items():
        tensors = {name: value for name, value in entry.items() if isinstance(value, Tensor)}
        flat |= add_prefix(f"{index}.", tensors)
    return flat


def restore_optimizer_state(optimizer: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> None:
    """Load what `flatten_optimizer_state` returned; the optimizer's settings are kept."""
    entries: dict[int, dict[str, Tensor]] = {}
    for key, value in flat.items():
        index, _, name = key.partition(".")
        entries.setdefault(int(index), {})[name] = value.clone()
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": entries, "param_groups": groups})

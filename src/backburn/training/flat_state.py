"""Tensors of several things in one mapping, and those of an optimizer as a plain one."""

from collections.abc import Mapping

import torch
from torch import Tensor


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, their names behind a prefix."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with the prefix, without it."""
    size = len(prefix)
    return {name[size:]: value for name, value in tensors.items() if name.startswith(prefix)}


def flattened(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimizer remembers of each parameter, as `INDEX.NAME`."""
    flat: dict[str, Tensor] = {}
    for index, entry in optimizer.state_dict()["state"].items():
        some = {name: value for name, value in entry.items() if isinstance(value, Tensor)}
        flat |= under(f"{index}.", some)
    return flat


def unflatten(optimizer: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> None:
    """Make an optimizer remember that; its settings stay as they are."""
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in flat.items():
        index, _, own = name.partition(".")
        entries.setdefault(int(index), {})[own] = value.clone()
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": entries, "param_groups": groups})

"""The neurons that pruning methods cut: the channels of batch norms."""

from typing import TypeAlias

import torch
from torch import nn

from ...errors import InputError
from ...types import Flags

Norm: TypeAlias = nn.modules.batchnorm._BatchNorm


def batch_norms(model: nn.Module, method: str) -> dict[str, Norm]:
    """The batch norms that scale and shift their channels, by name.

    Raises:
        InputError: there are none.
    """
    named = {name: part for name, part in model.named_modules() if isinstance(part, Norm)}
    norms = {name: norm for name, norm in named.items() if norm.affine}
    if not norms:
        raise InputError(
            f"{method} prunes channels of batch norms, and {type(model).__name__} has none: give "
            "a model with batch norm"
        )
    return norms


@torch.no_grad()
def cut(norm: Norm, channels: Flags, *, shift: bool) -> None:
    """Scale these channels of a batch norm by 0, and with `shift` shift them by 0, too."""
    channels = channels.to(norm.weight.device)
    norm.weight[channels] = 0
    if shift:
        norm.bias[channels] = 0

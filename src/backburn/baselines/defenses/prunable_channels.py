"""The neurons that pruning methods remove: channels of batch norms."""

import torch
from torch import nn

from ...errors import InputError
from ...models.channel_lipschitz import Norm
from ...types import Flags


def batch_norms(model: nn.Module, method: str) -> dict[str, Norm]:
    """The batch norms with scale and shift, by name.

    Args:
        method: name of the method, for the message.
    Raises:
        InputError: there are none.
    """
    all_norms = {name: layer for name, layer in model.named_modules() if isinstance(layer, Norm)}
    norms = {name: norm for name, norm in all_norms.items() if norm.affine}
    if not norms:
        raise InputError(
            f"{method} prunes channels of batch norms, and {type(model).__name__} has none: give "
            "a model with batch norm"
        )
    return norms


@torch.no_grad()
def prune(norm: Norm, channels: Flags, *, shift: bool) -> None:
    """Set the scale of these channels of a batch norm to 0 and, with `shift`, their shift too."""
    channels = channels.to(norm.weight.device)
    norm.weight[channels] = 0
    if shift:
        norm.bias[channels] = 0

"""A module in memory that ends in probabilities: looked at without that end, given back with it."""

import copy
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn

from ..models.inference import frozen
from ..models.outputs import ENDS, open_end
from ..models.wrapping import Wrapped
from ..types import LabeledImages

Own: TypeAlias = Callable[[nn.Module], nn.Module]
"""Gives back what the caller had in place of what was made of it."""


def same(model: nn.Module) -> nn.Module:
    """What was made of it is what the caller wants."""
    return model


def without_end(network: nn.Module, images: LabeledImages) -> tuple[nn.Module, tuple[str, ...]]:
    """A copy without the last layer that makes probabilities, and a line about that.

    The network itself where there is no such layer, or no copy can be made; it is never changed.
    """
    try:
        opened = copy.deepcopy(network)
        with frozen(opened), torch.inference_mode():
            line = open_end(opened, images.pixels[:2].cpu().float() / 255)
    except Exception:  # a stranger's module; its probabilities are taken as they are
        return network, ()
    return (opened, (line,)) if line else (network, ())


def own_of(network: nn.Module, shown: nn.Module) -> Own:
    """What gives a caller the given network, or a repaired one with the end that it had.

    Args:
        shown: the network, or what `without_end` made of it.
    """
    ends = {
        name: layer
        for name, layer in network.named_modules()
        if shown is not network and isinstance(layer, ENDS)
        if isinstance(shown.get_submodule(name), nn.Identity)
    }

    def own(model: nn.Module) -> nn.Module:
        inner = model.net if isinstance(model, Wrapped) else model
        if inner is shown:
            return network
        if ends:
            inner = copy.deepcopy(inner)  # the run is still written from the other one
        for name, layer in ends.items():
            inner.set_submodule(name, copy.deepcopy(layer))
        return inner

    return own

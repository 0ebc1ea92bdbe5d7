"""Removing the final probability layer of a network in memory, and putting it back."""

import copy
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn

from ..models.inference import frozen
from ..models.outputs import PROBABILITY_LAYERS, remove_probability_layer
from ..models.wrapping import WrappedModel
from ..types import LabeledImages

RestoreModel: TypeAlias = Callable[[nn.Module], nn.Module]
"""Maps a repaired model to the form in which the user passed the original."""


def unchanged(model: nn.Module) -> nn.Module:
    """Return the model as it is."""
    return model


def without_probabilities(
    network: nn.Module, images: LabeledImages
) -> tuple[nn.Module, tuple[str, ...]]:
    """A copy of the network without its final probability layer, and a note about that.

    The network itself and no note if it has no such layer, or cannot be copied.
    """
    try:
        logits_network = copy.deepcopy(network)
        with frozen(logits_network), torch.inference_mode():
            note = remove_probability_layer(logits_network, images.pixels[:2].cpu().float() / 255)
    except Exception:  # a foreign module; its probabilities are used as they are
        return network, ()
    return (logits_network, (note,)) if note else (network, ())


def model_restorer(network: nn.Module, logits_network: nn.Module) -> RestoreModel:
    """A function that gives a repaired model the final layer of the user's network.

    For the original model it returns the user's network itself.

    Args:
        network: as the user passed it.
        logits_network: what `without_probabilities` returned for it.
    """
    removed = {
        name: layer
        for name, layer in network.named_modules()
        if logits_network is not network and isinstance(layer, PROBABILITY_LAYERS)
        if isinstance(logits_network.get_submodule(name), nn.Identity)
    }

    def restore(model: nn.Module) -> nn.Module:
        inner = model.net if isinstance(model, WrappedModel) else model
        if inner is logits_network:
            return network
        if removed:
            inner = copy.deepcopy(inner)  # the run is still written from the given one
        for name, layer in removed.items():
            inner.set_submodule(name, copy.deepcopy(layer))
        return inner

    return restore

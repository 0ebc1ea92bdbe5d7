"""Networks whose last layer was replaced by a head of several layers (`fc.0`, `fc.2`)."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from torch import Tensor, nn

from .find_network import NetworkSizes, NetworkSpec
from .match_weights import strip_prefix

HeadLayers = dict[int, dict[str, Tensor]]
"""The weights of each layer of a head, by its index in the sequence."""
MAX_LAYERS = 100
"""Layers of a head."""


def with_mlp_head(
    spec: NetworkSpec, skeleton: nn.Module, heads: Iterable[str], weights: Mapping[str, Tensor]
) -> NetworkSpec | None:
    """Give a network the head of several layers that a file has.

    A file does not tell the function between two linear layers. ReLU is assumed, and the note of
    the result says so.

    Args:
        skeleton: the network of `spec`.
        heads: names of its weights that depend on the number of classes.
        weights: by the file's names.
    Returns:
        The changed spec; None if the file has the network's own head.
    """
    file_names, prefix = strip_prefix(weights, set(skeleton.state_dict()))
    named = {name: weights[own] for name, own in file_names.items() if own == prefix + name}
    own_shapes = {name: weight.shape for name, weight in skeleton.state_dict().items()}
    for module in _head_modules(skeleton, heads):
        layers = _layers_in(module, named)
        if sum(map(_is_linear, layers.values())) < 2 or not all(map(_is_known, layers.values())):
            continue
        inside = (name for name in named if _is_in(name, module))
        if all(own_shapes.get(name) == named[name].shape for name in inside):
            continue
        return _replace_head(spec, module, layers)
    return None


def _head_modules(skeleton: nn.Module, heads: Iterable[str]) -> list[str]:
    """Names of modules that may be a head: the last layer, or a sequence that contains it."""
    last = {name.rpartition(".")[0] for name in heads} - {""}
    parents = {name.rpartition(".")[0] for name in last} - {""}
    outer = [name for name in parents if isinstance(skeleton.get_submodule(name), nn.Sequential)]
    return sorted(last) + sorted(outer)


def _is_in(name: str, module: str) -> bool:
    return name.startswith(f"{module}.")


def _layers_in(module: str, named: Mapping[str, Tensor]) -> HeadLayers:
    """The layers of a sequence; none if any weight in the module has no index."""
    layers: HeadLayers = defaultdict(dict)
    for name, weight in named.items():
        if not _is_in(name, module):
            continue
        match = re.fullmatch(r"(\d{1,3})\.(\w+)", name[len(module) + 1 :])
        if match is None or int(match[1]) >= MAX_LAYERS:
            return {}
        layers[int(match[1])][match[2]] = weight
    return layers


def _is_linear(layer: Mapping[str, Tensor]) -> bool:
    return "weight" in layer and layer["weight"].dim() == 2 and layer.keys() <= {"weight", "bias"}


def _is_known(layer: Mapping[str, Tensor]) -> bool:
    is_norm = "weight" in layer and layer["weight"].dim() == 1
    return _is_linear(layer) or is_norm


def _replace_head(spec: NetworkSpec, module: str, layers: HeadLayers) -> NetworkSpec:
    def make(sizes: NetworkSizes) -> nn.Module:
        network = spec.make(replace(sizes, classes=None))  # its own head is replaced anyway
        outer, _, name = module.rpartition(".")
        setattr(network.get_submodule(outer), name, _sequence(layers))
        return network

    count = sum(map(_is_linear, layers.values()))
    note = (
        f"its head {module!r} has {count} linear layers; a file does not say what lies between "
        "them: ReLU is assumed (if it is another function, name your own network with --arch)"
    )
    return replace(spec, make=make, note=note)


def _sequence(layers: HeadLayers) -> nn.Sequential:
    """Layers at their indices, with a ReLU at the first free index behind each linear layer."""
    modules: list[nn.Module] = []
    after_linear = False
    for index in range(max(layers) + 1):
        if index in layers:
            modules.append(_layer(layers[index]))
            after_linear = after_linear or isinstance(modules[-1], nn.Linear)
        else:
            modules.append(nn.ReLU() if after_linear else nn.Identity())
            after_linear = False
    return nn.Sequential(*modules)


def _layer(layer: Mapping[str, Tensor]) -> nn.Module:
    weight = layer["weight"]
    if weight.dim() == 2:
        return nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in layer)
    if "running_mean" in layer:
        return nn.BatchNorm1d(len(weight))
    return nn.LayerNorm(len(weight))

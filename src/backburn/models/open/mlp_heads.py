"""A network whose last layer was replaced by a small one of several layers (`fc.0`, `fc.2`)."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from torch import Tensor, nn

from .match_weights import unprefixed
from .network_names import Recipe, Sizes

Layers = dict[int, dict[str, Tensor]]
"""By its place in the sequence, what a file has of each layer."""
MOST = 100
"""Places that a sequence has at the most."""


def with_head(
    recipe: Recipe, sketch: nn.Module, heads: Iterable[str], weights: Mapping[str, Tensor]
) -> Recipe | None:
    """The recipe with the head that the file has; None if the file has the network's own.

    A file does not say which function lies between two linear layers. ReLU is assumed, and the
    recipe's note says so.
    Args:
        sketch: the recipe's network.
        heads: names of its weights that depend on the number of classes.
        weights: by the file's names.
    """
    origin, prefix = unprefixed(weights, set(sketch.state_dict()))
    named = {name: weights[own] for name, own in origin.items() if own == prefix + name}
    own_shapes = {name: weight.shape for name, weight in sketch.state_dict().items()}
    for place in _places(sketch, heads):
        layers = _layers_under(place, named)
        if sum(map(_is_linear, layers.values())) < 2 or not all(map(_is_known, layers.values())):
            continue
        if all(own_shapes.get(name) == named[name].shape for name in named if _in(name, place)):
            continue
        return _replaced(recipe, place, layers)
    return None


def _places(sketch: nn.Module, heads: Iterable[str]) -> list[str]:
    """Where a head may lie: the last layer's own place, or that of the sequence that it ends."""
    last = {name.rpartition(".")[0] for name in heads} - {""}
    around = {name.rpartition(".")[0] for name in last} - {""}
    outer = [name for name in around if isinstance(sketch.get_submodule(name), nn.Sequential)]
    return sorted(last) + sorted(outer)


def _in(name: str, place: str) -> bool:
    return name.startswith(f"{place}.")


def _layers_under(place: str, named: Mapping[str, Tensor]) -> Layers:
    """What lies in the sequence; nothing where anything under its name is in no place of it."""
    found: Layers = defaultdict(dict)
    for name, weight in named.items():
        if not _in(name, place):
            continue
        inside = re.fullmatch(r"(\d{1,3})\.(\w+)", name[len(place) + 1 :])
        if inside is None or int(inside[1]) >= MOST:
            return {}
        found[int(inside[1])][inside[2]] = weight
    return found


def _is_linear(layer: Mapping[str, Tensor]) -> bool:
    return "weight" in layer and layer["weight"].dim() == 2 and layer.keys() <= {"weight", "bias"}


def _is_known(layer: Mapping[str, Tensor]) -> bool:
    flat = "weight" in layer and layer["weight"].dim() == 1
    return _is_linear(layer) or flat


def _replaced(recipe: Recipe, place: str, layers: Layers) -> Recipe:
    def make(sizes: Sizes) -> nn.Module:
        network = recipe.make(replace(sizes, classes=None))  # of its own head nothing is left
        outer, _, name = place.rpartition(".")
        setattr(network.get_submodule(outer), name, _sequence(layers))
        return network

    count = sum(map(_is_linear, layers.values()))
    note = (
        f"its head {place!r} has {count} linear layers; a file does not say what lies between "
        "them: ReLU is assumed (if it is another function, name your own network with --arch)"
    )
    return replace(recipe, make=make, note=note)


def _sequence(layers: Layers) -> nn.Sequential:
    """Layers in their places; a ReLU in the first place left free behind each linear one."""
    made: list[nn.Module] = []
    linear = False
    for place in range(max(layers) + 1):
        if place in layers:
            made.append(_layer(layers[place]))
            linear = linear or isinstance(made[-1], nn.Linear)
        else:
            made.append(nn.ReLU() if linear else nn.Identity())
            linear = False
    return nn.Sequential(*made)


def _layer(layer: Mapping[str, Tensor]) -> nn.Module:
    weight = layer["weight"]
    if weight.dim() == 2:
        return nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in layer)
    if "running_mean" in layer:
        return nn.BatchNorm1d(len(weight))
    return nn.LayerNorm(len(weight))

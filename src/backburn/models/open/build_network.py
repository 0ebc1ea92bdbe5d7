"""A network by name and the weights of a file, put together by name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...errors import InputError
from ..outputs import open_end
from ..wrapping import examined
from .checkpoint import Checkpoint
from .class_lists import classes_beside
from .file_normalization import normalization_in
from .image_size import with_image_size
from .match_weights import Match, check_match, match, unprefixed
from .mlp_heads import with_head
from .network_names import Normalization, Recipe, Sizes, sketched
from .opened_model import OpenedModel, Origin, described

PROBES = (7, 11)
"""Numbers of classes that a network is sketched with, to see which weights depend on them."""


class Fitting(NamedTuple):
    """The weights of a file that fit a network of these sizes, and which."""

    recipe: Recipe
    found: Checkpoint
    sizes: Sizes
    match: Match
    sketch: nn.Module


def assembled(
    recipe: Recipe,
    found: Checkpoint,
    path: Path,
    given: Normalization | None,
    side: int | None = None,
) -> OpenedModel:
    """The recipe's network with the weights found.

    Args:
        side: pixels a side of the images, where that is known.
    """
    fitting = _fitting(recipe, found, path, side)
    recipe, found, sizes, matched, _ = fitting
    check_match(matched, fitting.sketch, recipe.name, str(path))
    network = recipe.make(sizes)
    network.load_state_dict(matched.weights, strict=False)
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    channels = (sizes.channels,) if sizes.channels else (3, 1)
    size = (sizes.image, sizes.image) if sizes.image else recipe.size
    if size is None and side is not None and not _takes_any(network, channels):
        size = (side, side)
    nature = examined(network, channels, size)
    report = [_where(found, path), *matched.report(), *filter(None, [recipe.note])]
    if line := open_end(network, torch.rand(2, nature.channels, *(size or nature.size))):
        nature = examined(network, channels, size)
        report.append(line)
    own = normalization_in(found.weights, matched, nature.channels)
    if own is not None and given is None:
        report.append(f"normalization: that of the file ({own.names})")
    normalization = (
        given or (own and own.values) or for_channels(recipe.normalization, nature.channels)
    )
    names, said = found.class_names, "its file"
    if len(names) != nature.classes:
        names, said = classes_beside(path)
    opened = OpenedModel(
        network, nature, size, normalization, tuple(report), _origin(found, matched, path)
    )
    return described(replace(opened, class_names=names, names_from=said if names else ""))


def _takes_any(network: nn.Module, channels: Sequence[int]) -> bool:
    """Whether a network takes images of one of the usual sizes."""
    try:
        examined(network, channels)
    except InputError:
        return False
    return True


def _fitting(recipe: Recipe, found: Checkpoint, path: Path, side: int | None) -> Fitting:
    """The first of the file's tables that fits the network; where none does, the likeliest."""
    first = _fitted(recipe, found, side)
    if _whole(first):
        return first
    for other in found.others:
        try:
            attempt = _fitted(recipe, found.instead(other, path), side)
        except InputError:  # it is no network's, or broken
            continue
        if _whole(attempt):
            return attempt
    return first


def _fitted(recipe: Recipe, found: Checkpoint, side: int | None) -> Fitting:
    fitting = _usual(recipe, found)
    if not _whole(fitting):
        heads = _heads(recipe, fitting.sketch)
        other = with_head(recipe, fitting.sketch, heads, found.weights)
        fitting = _usual(other, found) if other else fitting
    recipe = fitting.recipe
    if fitting.match.misshapen or (side and not _whole(fitting)):
        return with_image_size(fitting, recipe, side)
    return fitting


def _usual(recipe: Recipe, found: Checkpoint) -> Fitting:
    """At the network's usual image size."""
    sizes = _sizes(recipe, found.weights)
    sketch = sketched(recipe, sizes)
    return Fitting(recipe, found, sizes, match(sketch, found.weights), sketch)


def _whole(fitting: Fitting) -> bool:
    needed = {name for name, _ in fitting.sketch.named_parameters()}
    return bool(fitting.match.weights) and needed <= fitting.match.weights.keys()


def _sizes(recipe: Recipe, weights: Mapping[str, Tensor]) -> Sizes:
    """Classes, channels and width, off the weights that depend on them.

    The first convolution tells channels and width, see `_heads` for the classes.
    """
    sketch = sketched(recipe, Sizes())
    origin, _ = unprefixed(weights, set(sketch.state_dict()))

    def shape(name: str) -> torch.Size | None:
        weight = weights.get(origin.get(name, ""))
        return weight.shape if weight is not None and weight.numel() and weight.dim() else None

    counts = [found[0] for name in _heads(recipe, sketch) if (found := shape(name)) is not None]
    stems = [name for name, module in sketch.named_modules() if isinstance(module, nn.Conv2d)]
    stem = shape(f"{stems[0]}.weight") if stems else None
    width, channels = stem[:2] if stem is not None and len(stem) == 4 else (None, None)
    return Sizes(counts[0] if counts else None, channels, width)


def _heads(recipe: Recipe, sketch: nn.Module) -> list[str]:
    """The weights whose first dimension is the number of classes.

    They are found by making the network for two numbers of them. A factory that takes no other
    number than its own is asked for its last linear layer.
    """
    try:
        few, more = (sketched(recipe, Sizes(classes=count)).state_dict() for count in PROBES)
    except Exception:  # somebody's own code
        linear = [name for name, m in sketch.named_modules() if isinstance(m, nn.Linear)]
        return [f"{name}.weight" for name in linear[-1:]]
    return [name for name, own in few.items() if own.shape != more[name].shape]


def _origin(found: Checkpoint, fitting: Match, path: Path) -> Origin:
    types = {name: weight.dtype for name, weight in fitting.weights.items()}
    twins = [(found.keys, names) for names in fitting.twins.values()]
    own = {name: found.weights[theirs].shape for name, theirs in fitting.origin.items()}
    for keys, weights in found.others:  # averages in a table of their own
        names, _ = unprefixed(weights, set(own))
        names = {name: names[name] for name in own if name in names}
        if len(names) == len(own) and all(weights[names[k]].shape == own[k] for k in own):
            twins.append((keys, names))
    return Origin(
        found.container,
        path.name,
        found.keys,
        fitting.origin,
        types,
        found.metadata,
        twins=tuple(twins),
        held=found.held,
    )


def for_channels(told: Normalization | None, channels: int) -> Normalization | None:
    """What a network's makers say of its images, if it is about as many channels."""
    return told if told is not None and len(told[0]) == channels else None


def _where(found: Checkpoint, path: Path) -> str:
    way = " > ".join(map(repr, found.keys))
    beside = f" (not read: {', '.join(found.beside[:5])})" if found.beside else ""
    return f"{path.name}: weights {f'under {way}' if way else 'by themselves'}{beside}"

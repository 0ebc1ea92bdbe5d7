"""A network by name and the weights of a file, put together by name."""

from pathlib import Path

import torch
from torch import nn

from .checkpoint import Checkpoint
from .matching import Match, check_match, match, unprefixed
from .networks import Normalization, Recipe, Sizes
from .records import OpenedModel, Origin, described
from .wrapping import examined


def assembled(
    recipe: Recipe,
    found: Checkpoint,
    path: Path,
    given: Normalization | None,
) -> OpenedModel:
    """The recipe's network with the weights found."""
    sizes = _sizes(_made(recipe, Sizes()), found.weights)
    fitting = match(sketch := _made(recipe, sizes), found.weights)
    check_match(fitting, sketch, recipe.name, str(path))
    network = recipe.make(sizes)
    network.load_state_dict(fitting.weights, strict=False)
    network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    channels = (sizes.channels,) if sizes.channels else (3, 1)
    nature = examined(network, channels, recipe.size)
    origin = _origin(found, fitting, path)
    report = (_where(found, path), *fitting.report())
    normalization = given or for_channels(recipe.normalization, nature.channels)
    return described(OpenedModel(network, nature, recipe.size, normalization, report, origin))


def _made(recipe: Recipe, sizes: Sizes) -> nn.Module:
    """The network, without numbers where it can be had without them."""
    if recipe.meta:
        try:
            with torch.device("meta"):
                return recipe.make(sizes)
        except (RuntimeError, NotImplementedError):  # a network that looks at its numbers
            return recipe.make(sizes)
    return recipe.make(sizes)


def _sizes(sketch: nn.Module, weights: dict[str, torch.Tensor]) -> Sizes:
    """Classes, channels and width, off the last linear layer and the first convolution."""
    origin, _ = unprefixed(weights, set(sketch.state_dict()))

    def shape(kind: type[nn.Module], place: int) -> torch.Size | None:
        names = [name for name, module in sketch.named_modules() if isinstance(module, kind)]
        weight = weights.get(origin.get(f"{names[place]}.weight", "")) if names else None
        return weight.shape if weight is not None and weight.numel() else None

    head, stem = shape(nn.Linear, -1), shape(nn.Conv2d, 0)
    width, channels = stem[:2] if stem is not None and len(stem) == 4 else (None, None)
    return Sizes(head[0] if head is not None and len(head) == 2 else None, channels, width)


def _origin(found: Checkpoint, fitting: Match, path: Path) -> Origin:
    types = {name: weight.dtype for name, weight in fitting.weights.items()}
    names, metadata = fitting.origin, found.metadata
    return Origin(found.container, path.name, found.keys, names, types, metadata)


def for_channels(told: Normalization | None, channels: int) -> Normalization | None:
    """What a network's makers say of its images, if it is about as many channels."""
    return told if told is not None and len(told[0]) == channels else None


def _where(found: Checkpoint, path: Path) -> str:
    way = " > ".join(map(repr, found.keys))
    beside = f" (not read: {', '.join(found.beside[:5])})" if found.beside else ""
    return f"{path.name}: weights {f'under {way}' if way else 'by themselves'}{beside}"

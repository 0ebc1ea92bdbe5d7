"""A fine-tuned network as it was before: the weights of its base, and a new head."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import InputError
from .open.checkpoint import shown
from .open.match_weights import Match, first_few, match
from .wrapping import Wrapped

ENOUGH = 0.5
"""Share of a network's weights that its base must have."""


@dataclass(frozen=True, slots=True)
class Base:
    """What a network was before it was fine-tuned.

    Args:
        network: of the same kind, in evaluation mode; what its base does not have is drawn anew.
        drawn: names of its weights that were: the head, above all.
        kept: names of its parameters that fine-tuning left as they were.
    """

    network: nn.Module
    drawn: tuple[str, ...]
    kept: tuple[str, ...]

    @property
    def head_only(self) -> bool:
        """Whether nothing was trained but what the base does not have."""
        names = {name for name, _ in self.network.named_parameters()}
        return names <= {*self.kept, *self.drawn}

    def report(self, where: str) -> str:
        """A line about what was found in it."""
        count = len(list(self.network.parameters())) - len(self.kept)
        trained = "its head alone was" if self.head_only else "all layers were"
        if self.kept and not self.head_only:
            trained = f"{count} of {count + len(self.kept)} parameters were"
        new = first_few([shown(name) for name in self.drawn])
        return f"base: {where}; {trained} fine-tuned; drawn anew: {new or 'nothing'}"


def on_base(model: nn.Module, weights: Mapping[str, Tensor], where: str, seed: int) -> Base:
    """A copy of a model with the weights of its base.

    Args:
        model: on pixels in [0, 1]; it is left as it was.
        weights: of the base, by its names.
        where: what messages call them.
        seed: of the layers that are drawn anew.
    Raises:
        InputError: weights of another network, or of the model itself.
    """
    network = copy.deepcopy(model).requires_grad_(True).eval()
    inner, found = _matched(network, dict(weights))
    own, held = inner.state_dict(), sum(p.numel() for p in inner.parameters())
    known = {name for name, _ in inner.named_parameters()}
    fitting = sum(weight.numel() for name, weight in found.weights.items() if name in known)
    if fitting < ENOUGH * held:
        raise InputError(
            f"{where} is no base of this model: {fitting:,} of its {held:,} weights are there by "
            "name and shape. Give the weights that it was fine-tuned from"
        )
    fresh = [name for name in own if name not in found.weights]
    same = [name for name, weight in found.weights.items() if torch.equal(own[name], weight)]
    if not fresh and len(same) == len(own):
        raise InputError(f"{where} is the model itself: give the weights of before fine-tuning")
    _draw(inner, [name for name in fresh if name in known], seed)
    inner.load_state_dict(found.weights, strict=False)
    prefix = next(name for name, module in network.named_modules() if module is inner)
    kept = _named([name for name in same if name in known], prefix)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in kept)
    return Base(network, _named([name for name in fresh if name in known], prefix), kept)


def _named(names: list[str], prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" if prefix else name for name in names)


def _matched(network: nn.Module, weights: dict[str, Tensor]) -> tuple[nn.Module, Match]:
    """The part of a model that the weights are of: itself, or what wrappers put around it."""
    raw = network.net if isinstance(network, Wrapped) else network
    parts = [raw, *(child for child in raw.children() if list(child.children()))]
    found = [(part, match(part, weights)) for part in parts]
    part, best = max(found, key=lambda each: len(each[1].weights))
    if part is raw:
        return raw, best
    _, prefix = best, next(name for name, module in raw.named_modules() if module is part)
    renamed = {f"{prefix}.{name}": weight for name, weight in best.weights.items()}
    return raw, match(raw, renamed)


def _draw(network: nn.Module, names: list[str], seed: int) -> None:
    """Draw these parameters anew, as their layers do it; zeros where a layer does not."""
    owners = {name.rpartition(".")[0] for name in names}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        for owner in sorted(owners):
            layer = network.get_submodule(owner)
            if callable(reset := getattr(layer, "reset_parameters", None)):
                reset()
                continue
            for name, parameter in layer.named_parameters(owner, recurse=False):
                if name in names:
                    parameter.zero_()

"""The base of a fine-tuned network: its weights before fine-tuning, with a new head."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import InputError
from .open.checkpoint import format_key
from .open.match_weights import WeightMatch, first_few, match_weights
from .wrapping import WrappedModel

MIN_BASE_SHARE = 0.5
"""Share of a network's weights that its base must have."""


@dataclass(frozen=True, slots=True)
class BaseNetwork:
    """A network as it was before fine-tuning.

    Args:
        network: of the same architecture, in evaluation mode. Weights that the base lacks are
            drawn anew.
        reinitialized: names of the weights that were drawn anew, above all those of the head.
        unchanged: names of the parameters that fine-tuning did not change.
    """

    network: nn.Module
    reinitialized: tuple[str, ...]
    unchanged: tuple[str, ...]

    @property
    def head_only(self) -> bool:
        """Whether fine-tuning trained only what the base does not have."""
        names = {name for name, _ in self.network.named_parameters()}
        return names <= {*self.unchanged, *self.reinitialized}

    def report(self, where: str) -> str:
        """Describe the base in one line."""
        count = len(list(self.network.parameters())) - len(self.unchanged)
        trained = "its head alone was" if self.head_only else "all layers were"
        if self.unchanged and not self.head_only:
            trained = f"{count} of {count + len(self.unchanged)} parameters were"
        new = first_few([format_key(name) for name in self.reinitialized])
        return f"base: {where}; {trained} fine-tuned; drawn anew: {new or 'nothing'}"


def load_base(
    model: nn.Module, weights: Mapping[str, Tensor], where: str, seed: int
) -> BaseNetwork:
    """Copy a model and load the weights of its base into the copy.

    Args:
        model: on pixels in [0, 1]; it is not changed.
        weights: of the base, by its names.
        where: the name of the base in messages.
        seed: of the layers that are drawn anew.
    Raises:
        InputError: weights of another network, or of the model itself.
    """
    network = copy.deepcopy(model).requires_grad_(True).eval()
    inner, match = _match_to_model(network, dict(weights))
    own, total = inner.state_dict(), sum(p.numel() for p in inner.parameters())
    parameters = {name for name, _ in inner.named_parameters()}
    matched = sum(weight.numel() for name, weight in match.weights.items() if name in parameters)
    if matched < MIN_BASE_SHARE * total:
        raise InputError(
            f"{where} is no base of this model: {matched:,} of its {total:,} weights are there by "
            "name and shape. Give the weights that it was fine-tuned from"
        )
    missing = [name for name in own if name not in match.weights]
    same = [name for name, weight in match.weights.items() if torch.equal(own[name], weight)]
    if not missing and len(same) == len(own):
        raise InputError(f"{where} is the model itself: give the weights of before fine-tuning")
    _reinitialize(inner, [name for name in missing if name in parameters], seed)
    inner.load_state_dict(match.weights, strict=False)
    prefix = next(name for name, module in network.named_modules() if module is inner)
    unchanged = _with_prefix([name for name in same if name in parameters], prefix)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in unchanged)
    reinitialized = _with_prefix([name for name in missing if name in parameters], prefix)
    return BaseNetwork(network, reinitialized, unchanged)


def _with_prefix(names: list[str], prefix: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" if prefix else name for name in names)


def _match_to_model(
    network: nn.Module, weights: dict[str, Tensor]
) -> tuple[nn.Module, WeightMatch]:
    """Match weights to the network inside of our wrapper, or to the best of its submodules."""
    inner = network.net if isinstance(network, WrappedModel) else network
    candidates = [inner, *(child for child in inner.children() if list(child.children()))]
    matches = [(module, match_weights(module, weights)) for module in candidates]
    module, best = max(matches, key=lambda pair: len(pair[1].weights))
    if module is inner:
        return inner, best
    prefix = next(name for name, child in inner.named_modules() if child is module)
    renamed = {f"{prefix}.{name}": weight for name, weight in best.weights.items()}
    return inner, match_weights(inner, renamed)


def _reinitialize(network: nn.Module, names: list[str], seed: int) -> None:
    """Draw these parameters anew, by their layers' `reset_parameters`; zeros without one."""
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

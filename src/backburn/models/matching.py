"""Which weights of a file belong to which of a network: by name, never by position."""

from dataclasses import dataclass

from torch import Tensor, nn

from ..errors import InputError
from .checkpoint import shown

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "ema_model.")
"""What wrappers put before every name."""
ESSENTIAL = ("running_mean", "running_var")
"""Buffers without which a network is not the one that was trained."""


@dataclass(frozen=True, slots=True)
class Match:
    """How a file's weights and a network's go together.

    `weights` are those that fit, by the network's names; `origin` says what each of them is called
    in the file. `missing` are in the network only, `unexpected` in the file only, `misshapen` in
    both but of different shapes.
    """

    weights: dict[str, Tensor]
    origin: dict[str, str]
    prefix: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]

    def report(self) -> tuple[str, ...]:
        """What matched and what did not, in lines for people."""
        stripped = f" without the prefix {self.prefix!r}" if self.prefix else ""
        lines = [f"{len(self.weights)} weights matched by name{stripped}"]
        for names, what in ((self.missing, "not in the file"), (self.unexpected, "not used")):
            if names:
                lines.append(f"{len(names)} {what}: {first_few(names)}")
        return tuple(lines)


def unprefixed(weights: dict[str, Tensor], wanted: set[str]) -> tuple[dict[str, str], str]:
    """The names of a file's weights without what wrappers put before them.

    Of the ways to strip prefixes that most of the names carry, the one with the most names that
    are wanted.
    Returns:
        File's name of each stripped name, and the prefix.
    """
    names, prefix = {name: name for name in weights}, ""
    best, best_prefix = names, prefix
    while common := next((p for p in PREFIXES if _most(names, p)), None):
        names = {name.removeprefix(common): origin for name, origin in names.items()}
        prefix += common
        if len(wanted & names.keys()) > len(wanted & best.keys()):
            best, best_prefix = names, prefix
    return best, best_prefix


def _most(names: dict[str, str], prefix: str) -> bool:
    return 2 * sum(name.startswith(prefix) for name in names) > len(names)


def match(network: nn.Module, weights: dict[str, Tensor]) -> Match:
    """Match weights to a network, which may be on the meta device."""
    own = network.state_dict()
    origin, prefix = unprefixed(weights, set(own))
    both = [name for name in own if name in origin]
    fitting = [name for name in both if weights[origin[name]].shape == own[name].shape]
    misshapen = [
        f"{shown(name)} ({_shape(weights[origin[name]])} in the file, {_shape(own[name])} wanted)"
        for name in both
        if name not in set(fitting)
    ]
    return Match(
        {name: weights[origin[name]] for name in fitting},
        {name: origin[name] for name in fitting},
        prefix,
        tuple(shown(name) for name in own if name not in origin),
        tuple(shown(name) for name in origin if name not in own),
        tuple(misshapen),
    )


def check_match(found: Match, network: nn.Module, name: str, where: str) -> None:
    """Refuse weights that leave a part of the network as it was drawn.

    Raises:
        InputError: parameters or running statistics that are missing, or of another shape.
    """
    needed = {shown(key) for key, _ in network.named_parameters()}
    needed |= {shown(key) for key in network.state_dict() if key.endswith(ESSENTIAL)}
    missing = [key for key in found.missing if key in needed]
    if not found.weights or missing or found.misshapen:
        faults = [f"{len(found.weights)} weights match"]
        if missing:
            faults.append(f"{len(missing)} missing: {first_few(missing)}")
        if found.misshapen:
            faults.append(f"{len(found.misshapen)} of another shape: {first_few(found.misshapen)}")
        if found.unexpected:
            faults.append(f"{len(found.unexpected)} unknown: {first_few(found.unexpected)}")
        raise InputError(f"{where} does not fit {name}: {'; '.join(faults)}")


def first_few(names: tuple[str, ...] | list[str]) -> str:
    """The first three names, and that there are more."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"

"""Which weights of a file belong to which of a network: by name, never by position."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from ...errors import InputError
from .checkpoint import shown

AVERAGES = ("ema", "average", "swa", "shadow", "teacher")
"""Parts of a prefix that tell averaged weights, which come second to those trained."""
DEEPEST = 4
"""Parts that a prefix has at the most."""
ESSENTIAL = ("running_mean", "running_var")
"""Buffers without which a network is not the one that was trained."""


@dataclass(frozen=True, slots=True)
class Match:
    """How a file's weights and a network's go together.

    `weights` are those that fit, by the network's names; `origin` says what each of them is called
    in the file, `twins` the same of other copies in it, by their prefix. `missing` are in the
    network only, `unexpected` in the file only, `misshapen` in both but of different shapes.
    """

    weights: dict[str, Tensor]
    origin: dict[str, str]
    prefix: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misshapen: tuple[str, ...]
    twins: Mapping[str, dict[str, str]] = field(default_factory=dict)

    def report(self) -> tuple[str, ...]:
        """What matched and what did not, in lines for people."""
        stripped = f" without the prefix {self.prefix!r}" if self.prefix else ""
        lines = [f"{len(self.weights)} weights matched by name{stripped}"]
        for names, what in ((self.missing, "not in the file"), (self.unexpected, "not used")):
            if names:
                lines.append(f"{len(names)} {what}: {first_few(names)}")
        if self.twins:
            copies = " and ".join(map(shown, sorted(self.twins)))
            lines.append(f"another copy of the network lies under {copies}, which is not looked at")
        return tuple(lines)


def unprefixed(weights: Mapping[str, Tensor], wanted: set[str]) -> tuple[dict[str, str], str]:
    """The names of a file's weights without what wrappers put before them.

    Of all prefixes that its names have, that one without which the most of them are wanted; of
    several, the shortest of those that do not say that they are averages. A last layer that was put
    into a sequence (`fc.1.weight` for `fc.weight`) is called as it is wanted.
    Returns:
        File's name of each stripped name, and the prefix.
    """
    hits = Counter({"": 0})
    for name in weights:
        hits.update(prefix for prefix in _prefixes(name) if name[len(prefix) :] in wanted)
    best = max(sorted(hits), key=lambda prefix: (hits[prefix], *_liking(prefix)))
    stripped = {
        name.removeprefix(best): name
        for name in sorted(weights, key=lambda name: name.startswith(best))  # those win
    }
    return {**stripped, **_sequenced(stripped, wanted)}, best


def _prefixes(name: str) -> Iterable[str]:
    parts = name.split(".")
    return (".".join([*parts[:k], ""]) for k in range(min(len(parts), DEEPEST + 1)))


def _liking(prefix: str) -> tuple[bool, int]:
    return not any(word in prefix.lower() for word in AVERAGES), -len(prefix)


def twins_of(weights: Mapping[str, Tensor], origin: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Other copies of the same network in a file: by prefix, the file's names of each weight.

    Args:
        origin: the file's names of the network's own.
    """
    own = min(origin, default="")
    chosen = origin[own].removesuffix(own) if own else ""
    found = {}
    for prefix in {n.removesuffix(own) for n in weights if own and n.endswith(own)} - {chosen}:
        copy = {wanted: prefix + name.removeprefix(chosen) for wanted, name in origin.items()}
        same = all(
            n in weights and weights[n].shape == weights[origin[k]].shape for k, n in copy.items()
        )
        if same:
            found[prefix] = copy
    return found


def _sequenced(names: Mapping[str, str], wanted: set[str]) -> dict[str, str]:
    """Layers that lie in a sequence of their own, or do not any more, by the names wanted."""
    inside = defaultdict[str, list[str]](list)
    for name in names:
        inside[_outside(name)].append(name)
    found = {}
    for name in wanted - names.keys():
        if len(inside[name]) == 1:
            found[name] = names[inside[name][0]]
        elif _outside(name) in names:
            found[name] = names[_outside(name)]
    return found


def _outside(name: str) -> str:
    return re.sub(r"\.\d+(\.[^.]+)$", r"\1", name)


def match(network: nn.Module, weights: dict[str, Tensor]) -> Match:
    """Match weights to a network, which may be on the meta device."""
    own = network.state_dict()
    origin, prefix = unprefixed(weights, set(own))
    used = {origin[name] for name in own if name in origin}
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
        tuple(shown(name) for name in weights if name not in used),
        tuple(misshapen),
        twins_of(weights, {name: origin[name] for name in fitting}),
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

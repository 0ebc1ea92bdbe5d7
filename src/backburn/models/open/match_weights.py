"""Match the weights in a file to those of a network by name, never by position."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from ...errors import InputError
from .checkpoint import format_key

AVERAGE_WORDS = ("ema", "average", "swa", "shadow", "teacher")
"""Parts of the prefixes of averaged weights; trained weights are preferred to these."""
MAX_PREFIX_PARTS = 4
REQUIRED_BUFFERS = ("running_mean", "running_var")
"""Buffers that a trained network can't do without."""


@dataclass(frozen=True, slots=True)
class WeightMatch:
    """Which weights of a file belong to which of a network.

    Args:
        weights: those that match, by the network's names.
        file_names: what each of them is called in the file.
        prefix: what was stripped from the file's names.
        missing: names that only the network has.
        unexpected: names that only the file has.
        mismatched: names that both have, with different shapes.
        copies: the file's names in other copies of the network, by their prefix.
    """

    weights: dict[str, Tensor]
    file_names: dict[str, str]
    prefix: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]
    copies: Mapping[str, dict[str, str]] = field(default_factory=dict)

    def report(self) -> tuple[str, ...]:
        """Describe what matched and what did not, in lines for the user."""
        stripped = f" without the prefix {self.prefix!r}" if self.prefix else ""
        lines = [f"{len(self.weights)} weights matched by name{stripped}"]
        for names, what in ((self.missing, "not in the file"), (self.unexpected, "not used")):
            if names:
                lines.append(f"{len(names)} {what}: {first_few(names)}")
        if self.copies:
            prefixes = " and ".join(map(format_key, sorted(self.copies)))
            lines.append(
                f"another copy of the network lies under {prefixes}, which is not looked at"
            )
        return tuple(lines)


def strip_prefix(weights: Mapping[str, Tensor], wanted: set[str]) -> tuple[dict[str, str], str]:
    """Strip the prefix that wrappers put before the names of a file's weights.

    Chooses the prefix that turns the most names into wanted ones. Ties go to prefixes that are not
    of averages, then to the shortest. A last layer inside of a sequence (`fc.1.weight` for
    `fc.weight`) gets its wanted name.

    Args:
        wanted: the network's names.
    Returns:
        The file's name of each stripped name, and the prefix.

    >>> strip_prefix({"module.fc.weight": Tensor()}, {"fc.weight"})
    ({'fc.weight': 'module.fc.weight'}, 'module.')
    """
    hits = Counter({"": 0})
    for name in weights:
        hits.update(prefix for prefix in _prefixes(name) if name[len(prefix) :] in wanted)
    best = max(sorted(hits), key=lambda prefix: (hits[prefix], *_preference(prefix)))
    stripped = {
        name.removeprefix(best): name
        for name in sorted(weights, key=lambda name: name.startswith(best))  # these win
    }
    return {**stripped, **_match_sequences(stripped, wanted)}, best


def _prefixes(name: str) -> Iterable[str]:
    parts = name.split(".")
    return (".".join([*parts[:k], ""]) for k in range(min(len(parts), MAX_PREFIX_PARTS + 1)))


def _preference(prefix: str) -> tuple[bool, int]:
    return not any(word in prefix.lower() for word in AVERAGE_WORDS), -len(prefix)


def find_copies(
    weights: Mapping[str, Tensor], file_names: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Find other copies of the same network in a file.

    Args:
        file_names: the file's names of the network's weights.
    Returns:
        The file's names of each copy's weights, by the prefix of the copy.
    """
    first = min(file_names, default="")
    chosen = file_names[first].removesuffix(first) if first else ""
    prefixes = {n.removesuffix(first) for n in weights if first and n.endswith(first)} - {chosen}
    copies = {}
    for prefix in prefixes:
        copy = {own: prefix + name.removeprefix(chosen) for own, name in file_names.items()}
        same = all(
            name in weights and weights[name].shape == weights[file_names[own]].shape
            for own, name in copy.items()
        )
        if same:
            copies[prefix] = copy
    return copies


def _match_sequences(names: Mapping[str, str], wanted: set[str]) -> dict[str, str]:
    """Match layers that were moved into or out of a sequence of their own to their wanted names."""
    inside = defaultdict[str, list[str]](list)
    for name in names:
        inside[_without_index(name)].append(name)
    renamed = {}
    for name in wanted - names.keys():
        if len(inside[name]) == 1:
            renamed[name] = names[inside[name][0]]
        elif _without_index(name) in names:
            renamed[name] = names[_without_index(name)]
    return renamed


def _without_index(name: str) -> str:
    return re.sub(r"\.\d+(\.[^.]+)$", r"\1", name)


def match_weights(network: nn.Module, weights: dict[str, Tensor]) -> WeightMatch:
    """Match the weights in a file to a network by name.

    Args:
        network: may be on the meta device.
        weights: by the file's names.
    """
    own = network.state_dict()
    file_names, prefix = strip_prefix(weights, set(own))
    common = [name for name in own if name in file_names]
    used = {file_names[name] for name in common}
    matched = [name for name in common if weights[file_names[name]].shape == own[name].shape]
    mismatched = [
        f"{format_key(name)} ({_shape(weights[file_names[name]])} in the file, "
        f"{_shape(own[name])} wanted)"
        for name in common
        if name not in set(matched)
    ]
    names_of_matched = {name: file_names[name] for name in matched}
    return WeightMatch(
        weights={name: weights[file_names[name]] for name in matched},
        file_names=names_of_matched,
        prefix=prefix,
        missing=tuple(format_key(name) for name in own if name not in file_names),
        unexpected=tuple(format_key(name) for name in weights if name not in used),
        mismatched=tuple(mismatched),
        copies=find_copies(weights, names_of_matched),
    )


def check_match(match: WeightMatch, network: nn.Module, name: str, where: str) -> None:
    """Refuse weights that would leave a part of the network untrained.

    Args:
        name: the network's name in messages.
        where: the file's name in messages.
    Raises:
        InputError: parameters or running statistics that are missing, or of another shape.
    """
    needed = {format_key(key) for key, _ in network.named_parameters()}
    needed |= {format_key(key) for key in network.state_dict() if key.endswith(REQUIRED_BUFFERS)}
    missing = [key for key in match.missing if key in needed]
    if not match.weights or missing or match.mismatched:
        faults = [f"{len(match.weights)} weights match"]
        if missing:
            faults.append(f"{len(missing)} missing: {first_few(missing)}")
        if match.mismatched:
            faults.append(
                f"{len(match.mismatched)} of another shape: {first_few(match.mismatched)}"
            )
        if match.unexpected:
            faults.append(f"{len(match.unexpected)} unknown: {first_few(match.unexpected)}")
        raise InputError(f"{where} does not fit {name}: {'; '.join(faults)}")


def first_few(names: tuple[str, ...] | list[str]) -> str:
    """Join the first three names; an ellipsis stands for more.

    >>> first_few(["a", "b", "c", "d"])
    'a, b, c, ...'
    """
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"

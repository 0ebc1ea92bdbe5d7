"""Where in a checkpoint a state_dict lies, among optimizers, averages and other networks."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor

KEYS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "netC",
    "network",
    "classifier",
    "weights",
    "params",
    "module",
    "state_dict_ema",
    "ema_state_dict",
    "model_ema",
    "ema",
    "params_ema",
)
"""Where a state_dict lies in a checkpoint, the likeliest first; averages come last."""
DEPTH, MOST = 3, 50


class Table(NamedTuple):
    """The tensors of one table of a checkpoint by name, and the keys that lead to it."""

    keys: tuple[str, ...]
    weights: dict[str, Tensor]


def tables_in(held: Any) -> list[Table]:
    """Every table of tensors in a checkpoint that could be a state_dict, the likeliest first.

    That is the one under the first of `KEYS`; or the outermost, where none is under these; then
    those under other names. Numbers and texts among the tensors are passed over.
    """
    found: list[Table] = []
    for table in _walk(held, ()):
        found.append(table)
        if len(found) == MOST:
            break
    return sorted(found, key=_unlikely)


def _walk(held: Any, keys: tuple[str, ...]) -> Iterator[Table]:
    if not isinstance(held, dict) or not all(isinstance(key, str) for key in held):
        return
    tensors = {key: value.detach() for key, value in held.items() if isinstance(value, Tensor)}
    if tensors:
        yield Table(keys, tensors)
    if len(keys) < DEPTH:
        for key, value in held.items():
            yield from _walk(value, (*keys, key))


def _unlikely(table: Table) -> tuple[bool, list[int]]:
    """Tables under known keys first, in their order; the bare one before those of other names."""
    usual = [KEYS.index(key) if key in KEYS else len(KEYS) for key in table.keys]
    return (len(KEYS) in usual or not usual), usual

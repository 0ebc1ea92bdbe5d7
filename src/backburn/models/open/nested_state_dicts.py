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
LOOKED_AT = 10_000
"""Tables that are looked into; one that holds itself has no end of them."""


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
    for table in _walk(held, (), iter(range(LOOKED_AT))):
        found.append(table)
        if len(found) == MOST:
            break
    return sorted(found, key=_unlikely)


def plainly(held: Any) -> Any:
    """The same with plain tables in each other; others may have been given attributes of any name.

    Tables may hold themselves, or lie in each other as deep as they like.
    """
    made: dict[int, dict[Any, Any]] = {}
    todo: list[dict[Any, Any]] = []

    def plain(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if id(value) not in made:
            made[id(value)] = {}
            todo.append(value)
        return made[id(value)]

    whole = plain(held)
    while todo:
        table = todo.pop()
        made[id(table)].update({key: plain(value) for key, value in dict.items(table)})
    return whole


def _walk(held: Any, keys: tuple[str, ...], left: Iterator[int]) -> Iterator[Table]:
    if not isinstance(held, dict) or not all(isinstance(key, str) for key in held):
        return
    if next(left, None) is None:
        return
    tensors = {key: value.detach() for key, value in held.items() if isinstance(value, Tensor)}
    if tensors:
        yield Table(keys, tensors)
    if len(keys) < DEPTH:
        for key, value in held.items():
            yield from _walk(value, (*keys, key), left)


def _unlikely(table: Table) -> tuple[bool, list[int]]:
    """Tables under known keys first, in their order; the bare one before those of other names."""
    usual = [KEYS.index(key) if key in KEYS else len(KEYS) for key in table.keys]
    return (len(KEYS) in usual or not usual), usual

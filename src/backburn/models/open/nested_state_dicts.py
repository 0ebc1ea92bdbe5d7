"""Find the state_dicts in a checkpoint, among optimizers, averages and other networks."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import Tensor

STATE_DICT_KEYS = (
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
"""Keys of a state_dict in a checkpoint, the likeliest first; averages come last."""
MAX_DEPTH, MAX_STATE_DICTS = 3, 50
MAX_TABLES = 10_000
"""Tables that are searched; one that contains itself has infinitely many."""


class StateDict(NamedTuple):
    """The tensors of one table of a checkpoint by name, and the keys that lead to it."""

    keys: tuple[str, ...]
    weights: dict[str, Tensor]


def find_state_dicts(content: Any) -> list[StateDict]:
    """Find every table of tensors that could be a state_dict, the likeliest first.

    Tables under `STATE_DICT_KEYS` come first, in that order. The outermost table comes next, then
    tables under other keys. Entries that are no tensors are ignored.

    >>> import torch
    >>> [table.keys for table in find_state_dicts({"model": {"weight": torch.zeros(2)}})]
    [('model',)]
    """
    tables: list[StateDict] = []
    for table in _walk(content, (), iter(range(MAX_TABLES))):
        tables.append(table)
        if len(tables) == MAX_STATE_DICTS:
            break
    return sorted(tables, key=_rank)


def to_plain_dicts(content: Any) -> Any:
    """Convert nested tables to plain dicts, without attributes that a pickle may have set.

    Tables may contain themselves and may be nested to any depth.
    """
    converted: dict[int, dict[Any, Any]] = {}
    todo: list[dict[Any, Any]] = []

    def plain(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        if id(value) not in converted:
            converted[id(value)] = {}
            todo.append(value)
        return converted[id(value)]

    result = plain(content)
    while todo:
        table = todo.pop()
        converted[id(table)].update({key: plain(value) for key, value in dict.items(table)})
    return result


def _walk(content: Any, keys: tuple[str, ...], budget: Iterator[int]) -> Iterator[StateDict]:
    """Yield tables of tensors, the outer ones first, until the budget is used up."""
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        return
    if next(budget, None) is None:
        return
    tensors = {key: value.detach() for key, value in content.items() if isinstance(value, Tensor)}
    if tensors:
        yield StateDict(keys, tensors)
    if len(keys) < MAX_DEPTH:
        for key, value in content.items():
            yield from _walk(value, (*keys, key), budget)


def _rank(table: StateDict) -> tuple[bool, list[int]]:
    """Sort key: tables under known keys first, the outermost table before those of other keys."""
    last = len(STATE_DICT_KEYS)
    ranks = [STATE_DICT_KEYS.index(key) if key in STATE_DICT_KEYS else last for key in table.keys]
    return (last in ranks or not ranks), ranks

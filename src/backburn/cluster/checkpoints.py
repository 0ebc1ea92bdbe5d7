"""Where a training on the cluster stands, kept on the driver's disk and handed to who goes on."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from torch import Tensor

from ..executor.checkpoints import Checkpoints
from .retries import beside_driver

PAUSE = 10.0
"""Seconds between two states that a training sends, at the least."""


class Safe:
    """An actor beside the driver, which keeps what trainings send it.

    Args: see `Checkpoints`.
    """

    def __init__(self, path: Path, key: str, size: int, least: float):
        self._checkpoints = Checkpoints(path, key, size, least)

    def load(self) -> Mapping[str, Tensor] | None:
        return self._checkpoints.load()

    def offer(self, state: Mapping[str, Tensor]) -> None:
        self._checkpoints.offer(lambda: state)

    def finish(self, result: Mapping[str, Tensor]) -> None:
        self._checkpoints.finish(lambda: result)


def open_safe(path: Path, key: str, size: int, least: float) -> Any:
    """A `Safe` on this node, as an actor."""
    return beside_driver(Safe, path, key, size, least)


@dataclass(slots=True)
class Courier:
    """The `training.loop.Keeper` of one process of a training; only `sending` ones tell the safe.

    Args:
        pause: see `PAUSE`; 0 sends every step.
    """

    safe: Any
    sending: bool
    pause: float = PAUSE
    due: float = field(init=False)

    def __post_init__(self) -> None:
        self.due = time.monotonic() + self.pause

    def load(self) -> Mapping[str, Tensor] | None:
        found: Mapping[str, Tensor] | None = ray.get(self.safe.load.remote())
        return found

    def offer(self, state: Callable[[], Mapping[str, Tensor]]) -> None:
        if self.sending and time.monotonic() >= self.due:
            ray.get(self.safe.offer.remote(state()))
            self.due = time.monotonic() + self.pause

    def finish(self, result: Callable[[], Mapping[str, Tensor]]) -> None:
        if self.sending:
            ray.get(self.safe.finish.remote(result()))

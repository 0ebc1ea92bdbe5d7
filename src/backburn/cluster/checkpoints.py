"""Checkpoints of a training on the cluster, which the driver's node writes to disk."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from torch import Tensor

from ..executor.checkpoints import CheckpointFile
from .attempt_counts import start_on_driver_node

SEND_INTERVAL = 10.0
"""Seconds between two states that a training sends to the driver's node, at least."""


class CheckpointActor:
    """An actor on the driver's node that saves what trainings send. Arguments: `CheckpointFile`."""

    def __init__(self, path: Path, key: str, size: int, min_interval: float):
        self._file = CheckpointFile(path, key, size, min_interval)

    def load(self) -> Mapping[str, Tensor] | None:
        return self._file.load()

    def offer(self, snapshot: Mapping[str, Tensor]) -> None:
        self._file.offer(lambda: snapshot)

    def finish(self, result: Mapping[str, Tensor]) -> None:
        self._file.finish(lambda: result)


def start_checkpoint_actor(path: Path, key: str, size: int, min_interval: float) -> Any:
    """Start a `CheckpointActor` on this node."""
    return start_on_driver_node(CheckpointActor, path, key, size, min_interval)


@dataclass(slots=True)
class RemoteCheckpointer:
    """The `training.loop.Checkpointer` of a training on another node.

    Args:
        actor: a `CheckpointActor`.
        interval: seconds between two states, at least; 0 sends one after every step.
    """

    actor: Any
    interval: float = SEND_INTERVAL
    next_send: float = field(init=False)

    def __post_init__(self) -> None:
        self.next_send = time.monotonic() + self.interval

    def load(self) -> Mapping[str, Tensor] | None:
        saved: Mapping[str, Tensor] | None = ray.get(self.actor.load.remote())
        return saved

    def offer(self, snapshot: Callable[[], Mapping[str, Tensor]]) -> None:
        if time.monotonic() >= self.next_send:
            ray.get(self.actor.offer.remote(snapshot()))
            self.next_send = time.monotonic() + self.interval

    def finish(self, result: Callable[[], Mapping[str, Tensor]]) -> None:
        ray.get(self.actor.finish.remote(result()))

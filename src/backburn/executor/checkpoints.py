"""Checkpoints of a training: its state from time to time, and its result."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ..data.tensor_digest import digest
from ..training import StatefulTransform, TrainingTask
from .checksummed_files import read_tensors, write_tensors
from .digests import digest_of_pixels

MAX_TIME_SHARE = 0.005
"""Share of the time that writing checkpoints may take; the result may take as much again."""
MIN_INTERVAL = 2.0
"""Seconds between two checkpoints, at least."""
ASSUMED_DISK_SPEED = 2e8
"""Bytes per second that a disk is assumed to write until the first checkpoint is measured."""
ASSUMED_LATENCY = 0.01
"""Seconds per file, likewise."""
WEIGHT_COPIES = 3
"""Size of a checkpoint in copies of the weights: the weights and the optimizer's state."""


@dataclass(slots=True)
class CheckpointFile:
    """The `training.loop.Checkpointer` that keeps the latest checkpoint in one file.

    The interval between checkpoints depends on how long writing takes. The result of the training
    doesn't depend on it. A training that is too short to be worth a file leaves none.

    Args:
        path: the file, which each checkpoint replaces.
        key: a digest of everything that the training depends on, see `training_key`.
        size: approximate size of a checkpoint in bytes.
        min_interval: seconds between two checkpoints; 0 writes one after every step.
    """

    path: Path
    key: str
    size: int
    min_interval: float = MIN_INTERVAL
    start: float = field(init=False)
    next_write: float = field(init=False)

    def __post_init__(self) -> None:
        self.start = time.monotonic()
        self.next_write = self.start + self._interval(self._estimated_cost)

    @property
    def _estimated_cost(self) -> float:
        return ASSUMED_LATENCY + self.size / ASSUMED_DISK_SPEED

    def _interval(self, cost: float) -> float:
        return max(self.min_interval, cost / MAX_TIME_SHARE) if self.min_interval else 0.0

    def load(self) -> Mapping[str, Tensor] | None:
        return read_tensors(self.path, self.key)

    def offer(self, snapshot: Callable[[], Mapping[str, Tensor]]) -> None:
        now = time.monotonic()
        if now < self.next_write:
            return
        write_tensors(self.path, self.key, snapshot())
        after = time.monotonic()
        self.next_write = after + self._interval(after - now)

    def finish(self, result: Callable[[], Mapping[str, Tensor]]) -> None:
        if time.monotonic() >= self.start + self._interval(self._estimated_cost):
            write_tensors(self.path, self.key, result())


def checkpoint_size(model: nn.Module) -> int:
    """Approximate size in bytes of a checkpoint of a model in training."""
    weights: dict[str, Tensor] = model.state_dict()
    return WEIGHT_COPIES * sum(value.nbytes for value in weights.values())


def training_key(model: nn.Module, task: TrainingTask, generator: torch.Generator) -> str:
    """SHA-256 of everything that the result of a training depends on.

    The code of an objective isn't included, only the name of the task's phase.
    """
    rows, weights, transform = task.rows, task.weights, task.batch_transform
    names = sorted(model.state_dict())
    trained = "".join("01"[parameter.requires_grad] for parameter in model.parameters())
    state = transform.get_state() if isinstance(transform, StatefulTransform) else {}
    text = (
        f"{task.phase} {task.training} {names} {rows is None} {weights is None} "
        f"{trained} {sorted(state)} {digest_of_pixels(task.pixels)}"
    )
    if task.after_epoch is not None:
        text += f" {task.after_epoch}"
    optional = [value for value in (rows, weights) if value is not None]
    tensors = [*model.state_dict().values(), generator.get_state(), task.labels, *optional]
    return digest(text.encode(), *tensors, *state.values())

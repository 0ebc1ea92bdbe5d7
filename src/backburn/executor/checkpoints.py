"""What is kept of one training: where it stands, now and then, and its result."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from ..data.digest import digest
from ..training import Remembering, TrainingTask
from .checked_tensors import read_tensors, write_tensors
from .digests import digest_of_pixels

SHARE = 0.005
"""Of the time, at the most, for writing where a training stands; as much again for its result."""
LEAST = 2.0
"""Seconds between two checkpoints, at the least."""
SLOW_DISK = 2e8
"""Bytes a second, and `LATENCY` seconds a file: what a disk is taken for until it was tried."""
LATENCY = 0.01
COPIES = 3
"""Of a model's weights in a checkpoint, with what an optimizer remembers of each."""


@dataclass(slots=True)
class Checkpoints:
    """The `training.loop.Keeper` of one training: a file that is replaced by each later one.

    When it is written depends on how long that takes; what comes of the training does not depend on
    when it was written. A training that is over sooner than is worth a file leaves none.

    Args:
        key: a digest of all that the training depends on.
        size: of a checkpoint, in bytes, about.
        least: see `LEAST`.
    """

    path: Path
    key: str
    size: int
    least: float = LEAST
    began: float = field(init=False)
    due: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.due = self.began + self._pause(self._guess)

    @property
    def _guess(self) -> float:
        return LATENCY + self.size / SLOW_DISK

    def _pause(self, cost: float) -> float:
        return max(self.least, cost / SHARE) if self.least else 0.0

    def load(self) -> Mapping[str, Tensor] | None:
        return read_tensors(self.path, self.key)

    def offer(self, state: Callable[[], Mapping[str, Tensor]]) -> None:
        now = time.monotonic()
        if now < self.due:
            return
        write_tensors(self.path, self.key, state())
        after = time.monotonic()
        self.due = after + self._pause(after - now)

    def finish(self, result: Callable[[], Mapping[str, Tensor]]) -> None:
        if time.monotonic() >= self.began + self._pause(self._guess):
            write_tensors(self.path, self.key, result())


def size_of(model: nn.Module) -> int:
    """Bytes of a checkpoint of a training of this model, about."""
    weights: dict[str, Tensor] = model.state_dict()
    return COPIES * sum(value.nbytes for value in weights.values())


def key_of(model: nn.Module, lesson: TrainingTask, generator: torch.Generator) -> str:
    """A SHA-256 of everything that a training comes of, but for an objective's code."""
    rows, weights, transform = lesson.rows, lesson.weights, lesson.batch_transform
    names = sorted(model.state_dict())
    said = f"{lesson.phase} {lesson.training} {names} {rows is None} {weights is None}"
    trained = "".join("01"[each.requires_grad] for each in model.parameters())
    kept = transform.remember() if isinstance(transform, Remembering) else {}
    given = [value for value in (rows, weights) if value is not None]
    tensors = [*model.state_dict().values(), generator.get_state(), lesson.labels, *given]
    said = f"{said} {trained} {sorted(kept)} {digest_of_pixels(lesson.pixels)}"
    return digest(said.encode(), *tensors, *kept.values())

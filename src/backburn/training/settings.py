"""Training settings, and the interfaces of batch transforms and objectives."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from torch import Tensor, nn

from ..data.augmentation import Augmentation
from ..errors import InputError
from ..types import Images, Labels

BatchTransform: TypeAlias = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Maps an augmented uint8 batch, its labels and its row numbers to new pixels and labels."""


@runtime_checkable
class StatefulTransform(Protocol):
    """A batch transform whose state can be saved in a checkpoint and restored from it."""

    def __call__(self, pixels: Tensor, labels: Tensor, index: Tensor, /) -> tuple[Tensor, Tensor]:
        """See `BatchTransform`."""
        ...

    def get_state(self) -> dict[str, Tensor]:
        """Everything that the next batch depends on, by name."""
        ...

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state that `get_state` returned."""
        ...


Objective: TypeAlias = Callable[[nn.Module, Images, Labels], Tensor]
"""Maps a model, its images in [0, 1] and their labels to the loss `(n,)` of each image.

Images and labels are on the model's device. An objective must not keep state between calls.
"""

WeightChange: TypeAlias = Callable[[nn.Module], None]
"""Changes the weights of a model in training mode, in place. It must not keep state between calls.

Its `repr` must tell it from others, such as that of a dataclass: checkpoints are found by it.
"""


@dataclass(frozen=True, slots=True)
class Training:
    """Optimizer settings: SGD with Nesterov momentum, linear warm-up and cosine decay to zero.

    Args:
        epochs: passes over the images.
        batch_size: images per batch.
        learning_rate: peak of the schedule.
        momentum: Nesterov momentum of SGD. AdamW ignores it.
        weight_decay: not applied to biases and batch-norm parameters.
        warmup: fraction of all steps in which the learning rate rises.
        label_smoothing: in [0, 1), of the default objective.
        optimizer: `sgd`, or `adam` for AdamW.
        augmentation: applied to each batch.

    Raises:
        InputError: a value is out of range.

    >>> Training(epochs=2, learning_rate=0.1).learning_rate_at(0, steps=100)
    0.00625
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.15
    label_smoothing: float = 0.0
    optimizer: Literal["sgd", "adam"] = "sgd"
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 2:
            raise InputError(
                f"epochs={self.epochs}, batch_size={self.batch_size}: give at least 1 and 2"
            )
        rate, decay = self.learning_rate, self.weight_decay
        if not 0 < rate < math.inf or not 0 <= self.momentum < 1 or not 0 <= decay < math.inf:
            raise InputError(
                f"learning_rate={self.learning_rate}, momentum={self.momentum}, "
                f"weight_decay={self.weight_decay}: give > 0, [0, 1) and >= 0"
            )
        if not 0 <= self.warmup < 1 or not 0 <= self.label_smoothing < 1:
            raise InputError(
                f"warmup={self.warmup}, label_smoothing={self.label_smoothing}: give [0, 1)"
            )

    def learning_rate_at(self, step: int, steps: int) -> float:
        """Learning rate of step number `step`, counted from 0, of `steps` in all."""
        warmup_steps = max(1, round(self.warmup * steps))
        if step < warmup_steps:
            return self.learning_rate * (step + 1) / (warmup_steps + 1)
        angle = math.pi * (step - warmup_steps) / (steps - warmup_steps)
        return self.learning_rate * (1 + math.cos(angle)) / 2

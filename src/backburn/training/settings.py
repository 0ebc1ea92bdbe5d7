"""How a model is fitted, and what others may do to batches and to the loss."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from torch import Tensor, nn

from ..data.augmentation import Augmentation
from ..errors import InputError
from ..types import Images, Labels

BatchTransform: TypeAlias = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Changes an augmented uint8 batch and its labels; the third argument says which rows they are."""


@runtime_checkable
class Remembering(Protocol):
    """A batch transform of which a checkpoint can hold all that its next batch depends on."""

    def __call__(self, pixels: Tensor, labels: Tensor, index: Tensor, /) -> tuple[Tensor, Tensor]:
        """See `BatchTransform`."""
        ...

    def remember(self) -> dict[str, Tensor]:
        """Everything that is drawn, learnt or set, by name."""
        ...

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        """Become as it was when it remembered that."""
        ...


Objective: TypeAlias = Callable[[nn.Module, Images, Labels], Tensor]
"""The loss `(n,)` of each image, in [0, 1] and on the model's device; it remembers nothing."""


@dataclass(frozen=True, slots=True)
class Training:
    """How to fit: SGD with Nesterov momentum, a linear warm-up and a cosine down to zero.

    `learning_rate` is the peak; `warmup` the fraction of all steps spent rising to it.
    Weight decay leaves out biases and batch-norm parameters. `optimizer` may be `adam` (AdamW,
    which takes no notice of `momentum`).
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

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        rise = max(1, round(self.warmup * steps))
        if step < rise:
            return self.learning_rate * (step + 1) / (rise + 1)
        return self.learning_rate * (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2

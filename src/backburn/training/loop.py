"""The fit loop, which every training in this package goes through."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..data.augmentation import alternating_flips
from ..errors import BackburnError
from ..memory_mapped import copy_rows
from ..models.inference import as_images, device_of
from ..models.slow_bf16_layers import avoid_slow_bf16
from ..types import Index, Progress, no_progress
from .optimizer_step import OptimizerStep, cross_entropy, make_optimizer
from .state import TrainingState, is_result, seeded_layer_randomness
from .task import TrainingTask

RATE_AFTER_DIVERGENCE = 0.1
"""Factor of the learning rate after a training has diverged."""


@runtime_checkable
class Checkpointer(Protocol):
    """Saves the state of a training, so that it can be resumed."""

    def load(self) -> Mapping[str, Tensor] | None:
        """The saved state or result of the same training; None if there is none."""
        ...

    def offer(self, snapshot: Callable[[], Mapping[str, Tensor]]) -> None:
        """Called after every step; may save what `snapshot` returns."""
        ...

    def finish(self, result: Callable[[], Mapping[str, Tensor]]) -> None:
        """Called at the end of the training; may save what `result` returns."""
        ...


class _DivergedError(Exception):
    """The loss or a weight is NaN or infinite; the message says which."""


@dataclass(frozen=True, slots=True)
class _Loop:
    """A task with everything that stays the same in all epochs."""

    task: TrainingTask
    rows: Index
    step: OptimizerStep
    progress: Progress
    checkpointer: Checkpointer | None

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self.rows) / self.task.training.batch_size)


def fit(
    model: nn.Module,
    task: TrainingTask,
    generator: torch.Generator,
    *,
    progress: Progress = no_progress,
    checkpointer: Checkpointer | None = None,
) -> list[float]:
    """Train `model` in place and leave it in evaluation mode.

    A training that diverges is resumed once, with a warning, at the last good epoch with a tenth of
    the learning rate. If memory is short, batches are split into parts, also with a warning.

    Args:
        generator: draws the order and the augmentation of the images, and seeds random layers such
            as dropout.
        checkpointer: saves the state of the training and resumes it.
    Returns:
        The mean loss of each epoch.
    Raises:
        BackburnError: the loss or a weight became NaN or infinite a second time, or not even two
            images fit into memory.

    >>> from backburn.baselines import Training
    >>> pixels, labels = torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0, 1])
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    >>> len(fit(model, TrainingTask(pixels, labels, Training(epochs=2)), torch.Generator()))
    2
    """
    training, optimizer = task.training, make_optimizer(model, task.training)
    objective = task.objective or cross_entropy(training.label_smoothing)
    rows = torch.arange(task.count) if task.rows is None else task.rows
    step = OptimizerStep(model, optimizer, objective)
    state = TrainingState(model, optimizer, generator, task.batch_transform)
    example = as_images(task.pixels[:1], device_of(model))
    with seeded_layer_randomness(device_of(model), generator), avoid_slow_bf16(model, example):
        _train(state, _Loop(task, rows, step, progress, checkpointer))
    model.eval()
    return state.losses


def _train(state: TrainingState, loop: _Loop) -> None:
    """Run all epochs that are left."""
    checkpointer, last_good, mid_epoch = loop.checkpointer, state.snapshot(), False
    if checkpointer is not None and (saved := checkpointer.load()) is not None:
        state.restore(saved)
        if is_result(saved):
            return
        mid_epoch = state.step % loop.steps_per_epoch > 0
        last_good = last_good if mid_epoch else state.snapshot()
    _set_train_mode(state.model)
    while len(state.losses) < loop.task.training.epochs:
        try:
            _run_epoch(state, loop, mid_epoch)
        except _DivergedError as error:
            _recover(state, loop.task, last_good, mid_epoch, str(error))
        else:
            last_good = state.snapshot()
        mid_epoch = False
    if checkpointer is not None:
        checkpointer.finish(state.result)


def _set_train_mode(model: nn.Module) -> None:
    """Training mode, except that frozen batch norms keep their running statistics."""
    model.train()
    for layer in model.modules():
        parameters = list(layer.parameters(recurse=False))
        if parameters and getattr(layer, "running_mean", None) is not None:
            layer.train(any(parameter.requires_grad for parameter in parameters))


def _recover(
    state: TrainingState,
    task: TrainingTask,
    last_good: Mapping[str, Tensor],
    mid_epoch: bool,
    reason: str,
) -> None:
    """Go back to the last good epoch with a smaller learning rate; raise the second time."""
    if mid_epoch:
        # the start of this epoch was not saved: train again from the beginning and diverge again
        state.restore(last_good)
        return
    if state.rate_factor < 1:
        raise BackburnError(
            f"{reason} in {task.phase}, also with {RATE_AFTER_DIVERGENCE} of the learning rate: "
            f"lower learning_rate (now {task.training.learning_rate})"
        )
    state.restore(last_good)
    state.rate_factor = RATE_AFTER_DIVERGENCE
    warnings.warn(
        f"{reason} in {task.phase}: epoch {len(state.losses) + 1} begins again with "
        f"{RATE_AFTER_DIVERGENCE} of the learning rate",
        stacklevel=4,
    )


def _run_epoch(state: TrainingState, loop: _Loop, mid_epoch: bool) -> None:
    """Train one epoch, or what is left of it if `mid_epoch`."""
    task, count, steps_per_epoch = loop.task, len(loop.rows), loop.steps_per_epoch
    training, epoch = task.training, len(state.losses)
    alternate = training.augmentation.flip == "alternate"
    order = state.shuffle(loop.rows, mid_epoch)
    for rows in order.tensor_split(steps_per_epoch)[state.step % steps_per_epoch :]:
        mirrored = alternating_flips(rows, epoch) if alternate else None
        pixels = training.augmentation(copy_rows(task.pixels, rows), state.generator, mirrored)
        labels = task.labels[rows]
        if state.transform is not None:
            pixels, labels = state.transform(pixels, labels, rows)
        weights = None if task.weights is None else task.weights[rows]
        rate = training.learning_rate_at(state.step, training.epochs * steps_per_epoch)
        loss = loop.step(pixels, labels, weights, state.rate_factor * rate)
        if not math.isfinite(loss):
            raise _DivergedError(f"the loss became {loss}")
        state.loss_sum += loss * len(rows)
        state.step += 1
        if state.step % steps_per_epoch == 0:
            _finish_epoch(state, task, count)
        loop.progress(task.phase, state.step * count // steps_per_epoch, training.epochs * count)
        if loop.checkpointer is not None:
            loop.checkpointer.offer(state.snapshot)


def _finish_epoch(state: TrainingState, task: TrainingTask, count: int) -> None:
    """Check and change the weights, and append the mean loss of the epoch's `count` images."""
    if not all(bool(value.isfinite().all()) for value in state.model.parameters()):
        raise _DivergedError("a weight became infinite or no number")
    if task.after_epoch is not None:
        task.after_epoch(state.model)
    state.losses.append(state.loss_sum / count)
    state.loss_sum = 0.0

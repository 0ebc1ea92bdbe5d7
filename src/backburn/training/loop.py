"""The one fit loop."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..errors import BackburnError
from ..memory_mapped import rows_of
from ..models.inference import as_images, device_of
from ..models.precision import quicker_layers
from ..types import Index, Progress, silent
from .optimizer_step import Stepper, cross_entropy, optimizer_of
from .state import Course, layers_drawing
from .task import TrainingTask

SLOWER = 0.1
"""Of the learning rate, once a training has diverged."""


@runtime_checkable
class Keeper(Protocol):
    """Keeps where a training stands, so that it can go on."""

    def load(self) -> Mapping[str, Tensor] | None:
        """What was kept of the same training; None where it begins."""
        ...

    def offer(self, state: Callable[[], Mapping[str, Tensor]]) -> None:
        """After every step; what `state` gives may be kept, or not."""
        ...

    def finish(self, result: Callable[[], Mapping[str, Tensor]]) -> None:
        """When it is over."""
        ...


class _DivergedError(Exception):
    """The loss, or a weight, is no number; its text says which."""


@dataclass(frozen=True, slots=True)
class _Teaching:
    """A lesson with all that every epoch needs and leaves as it was."""

    lesson: TrainingTask
    rows: Index
    step: Stepper
    progress: Progress
    keeper: Keeper | None

    @property
    def per_epoch(self) -> int:
        return math.ceil(len(self.rows) / self.lesson.training.batch_size)


def fit(
    model: nn.Module,
    lesson: TrainingTask,
    generator: torch.Generator,
    *,
    progress: Progress = silent,
    keeper: Keeper | None = None,
) -> list[float]:
    """Train `model` in place and leave it in evaluation mode.

    A training that diverges goes back once to the epoch that it did so in, with a tenth of the
    learning rate, and warns of it. Where memory is short, batches are taken in parts, with a
    warning.

    Args:
        generator: draws the order of the images and the augmentation; what layers draw (dropout)
            follows from its state.
        keeper: is told where the training stands, and where it is to go on from.
    Returns:
        The mean loss of each epoch.
    Raises:
        BackburnError: the loss or a weight became NaN or infinite a second time.
    """
    training, optimizer = lesson.training, optimizer_of(model, lesson.training)
    objective = lesson.objective or cross_entropy(training.label_smoothing)
    rows = torch.arange(lesson.count) if lesson.rows is None else lesson.rows
    step = Stepper(model, optimizer, objective)
    course = Course(model, optimizer, generator, lesson.batch_transform)
    few = as_images(lesson.pixels[:1], device_of(model))
    with layers_drawing(device_of(model), generator), quicker_layers(model, few):
        _train(course, _Teaching(lesson, rows, step, progress, keeper))
    model.eval()
    return course.losses


def _train(course: Course, teaching: _Teaching) -> None:
    """Every epoch that is left."""
    keeper, good, within = teaching.keeper, course.state(), False
    if keeper is not None and (kept := keeper.load()) is not None:
        course.load(kept)
        if course.over(kept):
            return
        within = course.step % teaching.per_epoch > 0
        good = good if within else course.state()
    _train_mode(course.model)
    while len(course.losses) < teaching.lesson.training.epochs:
        try:
            _epoch(course, teaching, within)
        except _DivergedError as diverged:
            _go_back(course, teaching.lesson, good, within, str(diverged))
        else:
            good = course.state()
        within = False
    if keeper is not None:
        keeper.finish(course.result)


def _train_mode(model: nn.Module) -> None:
    """Training mode, but that frozen batch norms keep their statistics: they are not trained."""
    model.train()
    for layer in model.modules():
        own = list(layer.parameters(recurse=False))
        if own and getattr(layer, "running_mean", None) is not None:
            layer.train(any(parameter.requires_grad for parameter in own))


def _go_back(
    course: Course, lesson: TrainingTask, good: Mapping[str, Tensor], within: bool, what: str
) -> None:
    """To the last good epoch with a smaller rate; a second time is the end."""
    if within:  # that epoch's beginning was not kept: what happened is found out again
        course.load(good)
        return
    if course.slower < 1:
        raise BackburnError(
            f"{what} in {lesson.phase}, also with {SLOWER} of the learning rate: lower "
            f"learning_rate (now {lesson.training.learning_rate})"
        )
    course.load(good)
    course.slower = SLOWER
    warnings.warn(
        f"{what} in {lesson.phase}: epoch {len(course.losses) + 1} begins again with {SLOWER} of "
        "the learning rate",
        stacklevel=4,
    )


def _epoch(course: Course, teaching: _Teaching, within: bool) -> None:
    """The rest of an epoch."""
    lesson, count, per_epoch = teaching.lesson, len(teaching.rows), teaching.per_epoch
    training, weights = lesson.training, lesson.weights
    order = course.order(teaching.rows, within)
    for chosen in order.tensor_split(per_epoch)[course.step % per_epoch :]:
        batch = (
            training.augmentation(rows_of(lesson.pixels, chosen), course.generator),
            lesson.labels[chosen],
        )
        batch = course.transform(*batch, chosen) if course.transform else batch
        rate = course.slower * training.rate_at(course.step, training.epochs * per_epoch)
        loss = teaching.step(*batch, None if weights is None else weights[chosen], rate)
        if not math.isfinite(loss):
            raise _DivergedError(f"the loss became {loss}")
        course.total += loss * len(chosen)
        course.step += 1
        if course.step % per_epoch == 0:
            _close(course, count)
        teaching.progress(lesson.phase, course.step * count // per_epoch, training.epochs * count)
        if teaching.keeper is not None:
            teaching.keeper.offer(course.state)


def _close(course: Course, count: int) -> None:
    """The end of an epoch."""
    if not all(bool(value.isfinite().all()) for value in course.model.parameters()):
        raise _DivergedError("a weight became infinite or no number")
    course.losses.append(course.total / count)
    course.total = 0.0

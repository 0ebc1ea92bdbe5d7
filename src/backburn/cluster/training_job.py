"""A training as a Ray task: the same fit loop, in one process on a node of the cluster."""

from dataclasses import dataclass
from typing import Any

import ray
import torch
from torch import Tensor, nn

from ..errors import BackburnError, first_line
from ..models.inference import best_device
from ..training import StatefulTransform, TrainingTask, fit
from .attempt_counts import MAX_RETRIES, record_attempt
from .checkpoints import RemoteCheckpointer
from .serialization import get_training_task, put_model, put_training_task


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Everything that a training changes, for the driver to take over."""

    model: dict[str, Tensor]
    generator: Tensor
    transform: dict[str, Tensor]
    losses: list[float]


def train_on_cluster(
    model: nn.Module,
    task: TrainingTask,
    generator: torch.Generator,
    counter: Any,
    *,
    checkpoint_actor: Any,
    send_interval: float,
    use_gpu: bool,
) -> TrainingResult:
    """Train a copy of a model in one process of the cluster. The arguments are not changed.

    Args:
        counter: see `retries.start_attempt_counter`.
        checkpoint_actor: see `checkpoints.start_checkpoint_actor`; None saves no checkpoints.
        send_interval: seconds between two states sent to the checkpoint actor, at least.
        use_gpu: give the process a GPU.
    Raises:
        BackburnError: what `training.fit` raises, or the process was lost too often.
    """
    remote = ray.remote(_train).options(num_cpus=1, num_gpus=int(use_gpu), max_retries=MAX_RETRIES)
    inputs = (put_model(model), *put_training_task(task, generator))
    try:
        result: TrainingResult | str = ray.get(
            remote.remote(*inputs, counter, checkpoint_actor, send_interval)
        )
    except ray.exceptions.RayError as error:
        reason = first_line(getattr(error, "cause", error))
        raise BackburnError(f"{task.phase} failed on the cluster: {reason}") from error
    if isinstance(result, str):
        raise BackburnError(result)
    return result


def _train(
    model: nn.Module,
    pixels: Any,
    task_and_generator: Any,
    counter: Any,
    checkpoint_actor: Any,
    send_interval: float,
) -> TrainingResult | str:
    """Train in this process; a string is the message of a failed training."""
    task, generator = get_training_task(pixels, task_and_generator)
    record_attempt(counter, task.phase)
    checkpointer = None
    if checkpoint_actor is not None:
        checkpointer = RemoteCheckpointer(checkpoint_actor, send_interval)
    try:
        losses = fit(model.to(best_device()), task, generator, checkpointer=checkpointer)
    except BackburnError as error:  # returned, because Ray would add its own stack to it
        return str(error)
    transform, state = task.batch_transform, model.state_dict()
    return TrainingResult(
        model={name: value.cpu() for name, value in state.items()},
        generator=generator.get_state(),
        transform=transform.get_state() if isinstance(transform, StatefulTransform) else {},
        losses=losses,
    )

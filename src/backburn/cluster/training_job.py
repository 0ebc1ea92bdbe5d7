"""A training as a Ray Train job: the same fit loop, in processes that share every batch."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
import ray.train
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device, prepare_model
from torch import Tensor, nn

from ..errors import BackburnError, first_line
from ..training import StatefulTransform, TrainingTask, fit
from ..training.optimizer_step import cross_entropy
from .checkpoints import SEND_INTERVAL, RemoteCheckpointer
from .data_parallel import BatchSplitter, ModelWithLoss, synchronize_batch_norm
from .retries import record_attempt
from .serialization import get_training_task

MAX_FAILURES = 3
"""Times that a job is resumed after a process or a node of it was lost."""


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Everything that a training changes, for the driver to take over."""

    model: dict[str, Tensor]
    generator: Tensor
    transform: dict[str, Tensor]
    losses: list[float]


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What each process of a training needs.

    Args:
        model: a reference, see `serialization.put_model`.
        pixels, task: references, see `serialization.put_training_task`.
        counter: see `retries.start_attempt_counter`.
        checkpoint_actor: see `checkpoints.start_checkpoint_actor`; None saves no checkpoints.
        send_interval: seconds between two states sent to the checkpoint actor, at least.
    """

    model: Any
    pixels: Any
    task: Any
    counter: Any
    checkpoint_actor: Any = None
    send_interval: float = SEND_INTERVAL


def run_training_job(
    job: TrainingJob, workers: int, use_gpus: bool, storage: Path
) -> TrainingResult:
    """Train in several processes.

    Args:
        workers: number of processes.
        use_gpus: give each process a GPU.
        storage: a folder for the records of Ray Train.
    Raises:
        BackburnError: what `training.fit` raises, or processes were lost too often.
    """
    trainer = TorchTrainer(
        _run_worker,
        train_loop_config={"job": job},
        torch_config=TorchConfig(backend="nccl" if use_gpus else "gloo"),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpus),
        run_config=RunConfig(
            storage_path=str(storage), failure_config=FailureConfig(max_failures=MAX_FAILURES)
        ),
    )
    try:
        result: TrainingResult | str = trainer.fit().return_value
    except ray.train.TrainingFailedError as error:
        raise BackburnError(f"the training failed on the cluster: {first_line(error)}") from error
    if isinstance(result, str):
        raise BackburnError(result)
    return result


def _run_worker(config: dict[str, Any]) -> TrainingResult | str:
    """Train in one process of the job; a string is the message of a failed training."""
    job: TrainingJob = config["job"]
    model, pixels, rest = ray.get([job.model, job.pixels, job.task])
    task, generator = get_training_task(pixels, rest)
    context = ray.train.get_context()
    rank, count = context.get_world_rank(), context.get_world_size()
    if rank == 0:
        record_attempt(job.counter, task.phase)
    checkpointer = None
    if job.checkpoint_actor is not None:
        checkpointer = RemoteCheckpointer(job.checkpoint_actor, rank == 0, job.send_interval)
    try:
        if count == 1:
            losses = fit(model.to(get_device()), task, generator, checkpointer=checkpointer)
        else:
            losses = _fit_data_parallel(model, task, generator, checkpointer, rank, count)
    except BackburnError as error:
        return str(error)
    transform, state = task.batch_transform, model.state_dict()
    return TrainingResult(
        model={name: value.cpu() for name, value in state.items()},
        generator=generator.get_state(),
        transform=transform.get_state() if isinstance(transform, StatefulTransform) else {},
        losses=losses,
    )


def _fit_data_parallel(
    model: nn.Module,
    task: TrainingTask,
    generator: torch.Generator,
    checkpointer: RemoteCheckpointer | None,
    rank: int,
    count: int,
) -> list[float]:
    """Train as one of `count` processes that average their gradients (DDP)."""
    splitter = BatchSplitter(rank, count, task.batch_transform, task.weights)
    objective = task.objective or cross_entropy(task.training.label_smoothing)
    synchronize_batch_norm(model)
    parallel_model = prepare_model(
        ModelWithLoss(model, objective),
        parallel_strategy_kwargs={"find_unused_parameters": True},
    )
    split_task = replace(
        task,
        weights=None,  # the splitter applies them
        batch_transform=splitter,
        objective=lambda module, images, labels: splitter.scale_losses(module(images, labels)),
    )
    return fit(parallel_model, split_task, generator, checkpointer=checkpointer)

"""A training as a Ray Train job: the one fit loop, in several processes that share every batch."""

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
from ..training import Remembering, TrainingTask, fit
from ..training.optimizer_step import cross_entropy
from .checkpoints import PAUSE, Courier
from .data_parallel import Judged, Part, share_batch_norm
from .retries import note
from .serialization import shipped_lesson

FAILURES = 3
"""Times that a job goes on, when a process or a node of it is lost."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of a training, for who ordered it to take over."""

    model: dict[str, Tensor]
    generator: Tensor
    transform: dict[str, Tensor]
    losses: list[float]


@dataclass(frozen=True, slots=True)
class Job:
    """A training as its processes are told of it.

    Args:
        model: a reference, see `shipping.ship_model`.
        pixels, lesson: references, see `shipping.ship_lesson`.
        ledger: see `ledger.open_ledger`.
        safe: see `keeping.open_safe`; None where nothing is to be kept.
        pause: seconds between two states that are sent to the safe, at the least.
    """

    model: Any
    pixels: Any
    lesson: Any
    ledger: Any
    safe: Any = None
    pause: float = PAUSE


def fit_job(job: Job, workers: int, gpus: bool, storage: Path) -> Learned:
    """Train on so many processes.

    Args:
        gpus: each process has one.
        storage: a folder that the job's own records go to.
    Raises:
        BackburnError: what `training.fit` raises, or processes that are lost again and again.
    """
    trainer = TorchTrainer(
        _work,
        train_loop_config={"job": job},
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpus),
        run_config=RunConfig(
            storage_path=str(storage), failure_config=FailureConfig(max_failures=FAILURES)
        ),
    )
    try:
        found: Learned | str = trainer.fit().return_value
    except ray.train.TrainingFailedError as error:
        raise BackburnError(f"the training failed on the cluster: {first_line(error)}") from error
    if isinstance(found, str):
        raise BackburnError(found)
    return found


def _work(config: dict[str, Any]) -> Learned | str:
    """What each process of the job does; a string says why the training itself failed."""
    job: Job = config["job"]
    model, pixels, shipped = ray.get([job.model, job.pixels, job.lesson])
    lesson, generator = shipped_lesson(pixels, shipped)
    context = ray.train.get_context()
    rank, count = context.get_world_rank(), context.get_world_size()
    if rank == 0:
        note(job.ledger, lesson.phase)
    courier = None if job.safe is None else Courier(job.safe, rank == 0, job.pause)
    try:
        if count == 1:
            losses = fit(model.to(get_device()), lesson, generator, keeper=courier)
        else:
            losses = _shared(model, lesson, generator, courier, rank, count)
    except BackburnError as error:
        return str(error)
    transform, state = lesson.batch_transform, model.state_dict()
    return Learned(
        {name: value.cpu() for name, value in state.items()},
        generator.get_state(),
        transform.remember() if isinstance(transform, Remembering) else {},
        losses,
    )


def _shared(
    model: nn.Module,
    lesson: TrainingTask,
    generator: torch.Generator,
    courier: Courier | None,
    rank: int,
    count: int,
) -> list[float]:
    """In `count` processes that average their gradients (DDP)."""
    part = Part(rank, count, lesson.batch_transform, lesson.weights)
    objective = lesson.objective or cross_entropy(lesson.training.label_smoothing)
    share_batch_norm(model)
    judged = prepare_model(
        Judged(model, objective), parallel_strategy_kwargs={"find_unused_parameters": True}
    )
    parted = replace(
        lesson,
        weights=None,  # in the part
        batch_transform=part,
        objective=lambda shared, images, labels: part.weighed(shared(images, labels)),
    )
    return fit(judged, parted, generator, keeper=courier)

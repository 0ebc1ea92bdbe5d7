"""An executor that runs on a Ray cluster and gives the same results as one machine."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..boundary.search_boundary import BoundarySearch
from ..executor.boundary_shards import choose_shard_size, search_in_shards, split_into_shards
from ..executor.checkpoints import MIN_INTERVAL, checkpoint_size, training_key
from ..executor.interface import Executor
from ..models.channel_statistics import gather_activations
from ..training import StatefulTransform, TrainingTask
from ..types import BoundaryResult, Features, Labels, Pixels, Progress, no_progress
from .attempt_counts import count_lost_nodes, retry_notes, start_attempt_counter
from .checkpoints import SEND_INTERVAL, start_checkpoint_actor
from .inference_tasks import ActivationsTask, BoundaryTask, InferenceJob
from .run_shards import PoolSettings, run_in_order, write_shards
from .serialization import put_model
from .training_job import train_on_cluster

SHARD_SIZE = 1024
"""Images of 32x32 per shard. A shard is repeated if its actor is lost."""


@dataclass(frozen=True, slots=True)
class ClusterExecutor(Executor):
    """Runs trainings, searches and activations on the cluster that this process is connected to.

    A search of a single shard runs in this process. The name of a shard's file is a digest of
    everything it was computed from. No shard is therefore lost or counted twice if nodes are lost.

    Args:
        folder: where shards and checkpoints are saved, as by `ResumableExecutor`. None uses a
            temporary folder for each search and each training.
        workers: most actors of a search. A training is always one process.
        gpus: share of a GPU that each actor holds. If not 0, a training holds a whole one.
        shard_size: images of 32x32 per shard, rounded to the whole batches of one machine.
        send_interval: seconds between two states that a training sends to this node, at least.
        retries: lines about retries, which each call appends.
    """

    folder: Path | None
    workers: int
    gpus: float = 0.0
    shard_size: int = SHARD_SIZE
    send_interval: float = SEND_INTERVAL
    retries: list[str] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was started again after a failure."""
        return tuple(self.retries)

    def search_boundary(
        self,
        model: nn.Module,
        pixels: Pixels,
        search: BoundarySearch,
        *,
        predictions: Labels | None = None,
        progress: Progress = no_progress,
    ) -> BoundaryResult:
        shard_size = self._shard_size(pixels, search.batch_size)
        with self._open_folder() as root:
            folder = root / "boundary"
            shards = split_into_shards(model, pixels, folder, search, shard_size)
            missing = (shard for shard in shards if not shard.path.is_file())
            if len(first := list(islice(missing, 2))) > 1:
                with self._count_attempts(search.phase) as counter:
                    job = InferenceJob(put_model(model), counter, BoundaryTask(search))
                    pool = PoolSettings(self.workers, self.gpus, shard_size)
                    write_shards(chain(first, missing), pixels, predictions, job, pool, progress)
                progress(search.phase, len(pixels), len(pixels))
                progress = no_progress  # all that is left is to read the files
            return search_in_shards(
                model,
                pixels,
                folder,
                search,
                predictions=predictions,
                shard_size=shard_size,
                progress=progress,
            )

    def fit(
        self,
        model: nn.Module,
        task: TrainingTask,
        generator: torch.Generator,
        *,
        progress: Progress = no_progress,
    ) -> list[float]:
        """See `Executor.fit`. A task with a transform that has no state to save starts over."""
        transform, total = task.batch_transform, task.training.epochs * task.count
        progress(task.phase, 0, total)
        with self._open_folder() as folder, self._count_attempts(task.phase) as counter:
            checkpoint_actor = None
            if task.is_resumable:
                key = training_key(model, task, generator)
                checkpoint_actor = self._start_checkpoint_actor(folder, key, model)
            result = train_on_cluster(
                model,
                task,
                generator,
                counter,
                checkpoint_actor=checkpoint_actor,
                send_interval=self.send_interval,
                use_gpu=bool(self.gpus),
            )
        model.load_state_dict(result.model)
        model.eval()
        generator.set_state(result.generator)
        if isinstance(transform, StatefulTransform):
            transform.set_state(result.transform)
        progress(task.phase, total, total)
        return result.losses

    def activations(
        self, model: nn.Module, pixels: Pixels, *, progress: Progress = no_progress
    ) -> tuple[Features, Labels]:
        """See `Executor.activations`. A single shard runs in this process."""
        task = ActivationsTask()
        shard_size = self._shard_size(pixels, task.batch_size)
        if len(pixels) <= shard_size:
            return Executor.activations(self, model, pixels, progress=progress)
        with self._count_attempts(task.phase) as counter:
            job = InferenceJob(put_model(model), counter, task)
            pool = PoolSettings(self.workers, self.gpus, shard_size)
            shards = run_in_order(pixels, job, pool, progress)
            parts = ((columns["features"], columns["predictions"]) for columns in shards)
            return gather_activations(parts, len(pixels))

    def _shard_size(self, pixels: Pixels, batch_size: int) -> int:
        device = torch.device("cuda" if self.gpus else "cpu")
        return choose_shard_size(pixels, batch_size, device, self.shard_size)

    def _start_checkpoint_actor(self, folder: Path, key: str, model: nn.Module) -> Any:
        path = folder / "training" / f"{key[:32]}.safetensors"
        interval = min(MIN_INTERVAL, self.send_interval)
        return start_checkpoint_actor(path, key, checkpoint_size(model), interval)

    @contextmanager
    def _count_attempts(self, phase: str) -> Iterator[Any]:
        """Yield an attempt counter, and note the retries at the end."""
        counter, lost_before = start_attempt_counter(), count_lost_nodes()
        yield counter
        self.retries.extend(retry_notes(counter, phase, lost_before))

    @contextmanager
    def _open_folder(self) -> Iterator[Path]:
        """The executor's folder, or a temporary one."""
        if self.folder is not None:
            yield self.folder
            return
        with tempfile.TemporaryDirectory(prefix="backburn-") as folder:
            yield Path(folder)

"""Inference on a Ray Data pipeline: shards of pixels in, columns of results out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy
from safetensors.torch import load, save
from torch import Tensor, nn

from ..boundary.concatenation import result_columns
from ..boundary.search_boundary import BoundarySearch
from ..errors import BackburnError, first_line
from ..models.channel_statistics import BATCH_SIZE, activations
from ..models.inference import best_device
from ..types import Labels, Pixels
from .attempt_counts import record_attempt
from .serialization import table_to_shard

MAX_QUEUED_SHARDS = 2
"""Shards sent to an actor at a time, so that it need not wait for the next one."""


class InferenceTask(Protocol):
    """Something to compute for each image with a model, one shard at a time."""

    @property
    def phase(self) -> str:
        """Its name in progress and errors."""
        ...

    def run(
        self, model: nn.Module, pixels: Pixels, predictions: Labels | None, /
    ) -> dict[str, Tensor]:
        """Columns with one row per image."""
        ...


@dataclass(frozen=True, slots=True)
class BoundaryTask:
    """Boundary distances."""

    search: BoundarySearch

    @property
    def phase(self) -> str:
        return self.search.phase

    def run(
        self, model: nn.Module, pixels: Pixels, predictions: Labels | None
    ) -> dict[str, Tensor]:
        return result_columns(self.search.run(model, pixels, predictions=predictions))


@dataclass(frozen=True, slots=True)
class ActivationsTask:
    """Statistics of every layer and predictions; see `models.channel_statistics`."""

    phase: str = "activations"
    batch_size: int = BATCH_SIZE

    def run(
        self, model: nn.Module, pixels: Pixels, _predictions: Labels | None
    ) -> dict[str, Tensor]:
        features, predictions = activations(model, pixels, batch_size=self.batch_size)
        return {"features": features, "predictions": predictions}


@dataclass(frozen=True, slots=True)
class InferenceJob:
    """What is the same for all shards.

    Args:
        model: a reference, see `serialization.put_model`.
        counter: see `retries.start_attempt_counter`.
    """

    model: Any
    counter: Any
    task: InferenceTask


class InferenceActor:
    """Holds the model on its device, and runs the task on one shard after another."""

    def __init__(self, job: InferenceJob):
        self._job = job
        self._model = ray.get(job.model).to(best_device())

    def __call__(self, table: pa.Table) -> pa.Table:
        number, pixels, predictions = table_to_shard(table)
        record_attempt(self._job.counter, str(number))
        result, message = b"", ""
        try:
            columns = self._job.task.run(self._model, pixels, predictions)
            result = save({name: values.contiguous() for name, values in columns.items()})
        except BackburnError as error:  # returned, because Ray would add its own stack to it
            message = str(error)
        return pa.table(
            {
                "shard": pa.array([number]),
                "result": pa.array([result], pa.large_binary()),
                "error": pa.array([message]),
            }
        )


def run_on_actors(
    tables: Iterable[pa.Table], job: InferenceJob, actors: int, gpus: float, at_once: int
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Yield number and columns of each shard, in the order in which shards are finished.

    Args:
        tables: see `serialization.shard_to_table`. They are put into the object store as needed.
        actors: most actors, each with one CPU.
        gpus: share of a GPU that each actor holds, such as 0.5; none if 0.
        at_once: shards in the object store at a time.
    Raises:
        BackburnError: what the task raises, or an actor that fails in any other way.
    """
    waiting = iter(tables)
    while blocks := [ray.put(table) for table in islice(waiting, at_once)]:
        actor_count = min(actors, len(blocks))
        results = ray.data.from_arrow_refs(blocks).map_batches(
            InferenceActor,
            fn_constructor_args=(job,),
            batch_size=1,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(
                min_size=1,
                initial_size=actor_count,
                max_size=actor_count,
                max_tasks_in_flight_per_actor=MAX_QUEUED_SHARDS,
            ),
            num_cpus=1,
            num_gpus=gpus,
        )
        try:
            # no prefetching: its thread may be reading when we disconnect, which ends the process
            done = results.iter_batches(prefetch_batches=0, batch_size=None, batch_format="pyarrow")
            for row in (row for table in done for row in table.to_pylist()):
                if row["error"]:
                    raise BackburnError(row["error"])
                yield row["shard"], load(row["result"])
        except ray.exceptions.RayError as error:
            reason = first_line(getattr(error, "cause", error))
            raise BackburnError(f"{job.task.phase} failed on the cluster: {reason}") from error

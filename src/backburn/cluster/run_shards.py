"""Running an inference task on shards of images, and writing or ordering the results."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

import pyarrow as pa
from torch import Tensor

from ..executor.boundary_shards import Shard
from ..executor.checksummed_files import write_tensors
from ..memory_mapped import release_pages
from ..types import Labels, Pixels, Progress
from .inference_tasks import InferenceJob, run_on_actors
from .serialization import shard_to_table
from .session import object_store_bytes

STORE_SHARE = 0.2
"""Share of this node's object store that the pixels of unfinished shards may fill."""


class HasRows(Protocol):
    """Consecutive images."""

    @property
    def rows(self) -> slice: ...


class PoolSettings(NamedTuple):
    """Most actors, the share of a GPU that each holds, and images per shard."""

    actors: int
    gpus: float
    shard_size: int


S = TypeVar("S", bound=HasRows)


def run_shards(
    shards: Iterable[S],
    pixels: Pixels,
    predictions: Labels | None,
    job: InferenceJob,
    pool: PoolSettings,
    progress: Progress,
) -> Iterator[tuple[S, dict[str, Tensor]]]:
    """Yield each shard with its columns, in the order in which shards are finished.

    Args:
        shards: consumed as there is room for their pixels in the object store.
        pixels, predictions: of all images; the predictions may be unknown.
    """
    waiting: dict[int, S] = {}

    def tables() -> Iterator[pa.Table]:
        for number, shard in enumerate(shards):
            waiting[number] = shard
            labels = None if predictions is None else predictions[shard.rows]
            yield shard_to_table(number, pixels[shard.rows], labels)
            release_pages(pixels[shard.rows])  # by now they are in the object store

    room = STORE_SHARE * object_store_bytes() / pixels[: pool.shard_size].nbytes
    at_once = max(2 * pool.actors, int(room))
    phase, done, total = job.task.phase, 0, len(pixels)
    progress(phase, done, total)
    for number, columns in run_on_actors(tables(), job, pool.actors, pool.gpus, at_once):
        shard = waiting.pop(number)
        yield shard, columns
        done += shard.rows.stop - shard.rows.start
        progress(phase, done, total)


def write_shards(
    missing: Iterable[Shard],
    pixels: Pixels,
    predictions: Labels | None,
    job: InferenceJob,
    pool: PoolSettings,
    progress: Progress,
) -> None:
    """Write the file of every missing shard as soon as it is finished; see `run_shards`."""
    for shard, columns in run_shards(missing, pixels, predictions, job, pool, progress):
        write_tensors(shard.path, shard.key, columns)


class RowRange(NamedTuple):
    """A shard that is not written to a file."""

    rows: slice


def run_in_order(
    pixels: Pixels, job: InferenceJob, pool: PoolSettings, progress: Progress
) -> Iterator[dict[str, Tensor]]:
    """Yield the columns of all shards, from the first to the last."""
    size = pool.shard_size
    starts = range(0, len(pixels), size)
    shards = (RowRange(slice(start, min(start + size, len(pixels)))) for start in starts)
    early, next_start = {}, 0
    for shard, columns in run_shards(shards, pixels, None, job, pool, progress):
        early[shard.rows.start] = columns
        while next_start in early:
            yield early.pop(next_start)
            next_start += size

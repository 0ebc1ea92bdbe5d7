"""The shards of a boundary search that a folder lacks, searched on the cluster."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from ..mapping import release
from ..types import Labels, Pixels, Progress
from ..work.sealed import write_tensors
from ..work.shards import Shard
from .searching import Order, search_shards
from .session import store_bytes
from .shipping import to_table

STORED = 0.2
"""Of this node's object store, for the pixels of shards that are under way."""


def fill(
    missing: Iterable[Shard],
    pixels: Pixels,
    predictions: Labels | None,
    order: Order,
    actors: int,
    gpus: float,
    shard: int,
    progress: Progress,
) -> None:
    """Write the file of every missing shard, as each is done.

    Args:
        missing: looked for as there is room for them.
        shard: images of one.
        others: see `search_shards`.
    """
    waiting: dict[int, Shard] = {}

    def tables() -> Iterator[pa.Table]:
        for number, part in enumerate(missing):
            waiting[number] = part
            known = None if predictions is None else predictions[part.rows]
            yield to_table(number, pixels[part.rows], known)
            release(pixels[part.rows])  # by now it is in the object store

    at_once = max(2 * actors, int(STORED * store_bytes() / pixels[:shard].nbytes))
    phase, done, total = order.search.phase, 0, len(pixels)
    progress(phase, done, total)
    for number, columns in search_shards(tables(), order, actors, gpus, at_once):
        part = waiting.pop(number)
        write_tensors(part.path, part.key, columns)
        done += part.rows.stop - part.rows.start
        progress(phase, done, total)

"""A boundary search as a Ray Data pipeline: shards of pixels in, shards of distances out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy
from safetensors.torch import load, save
from torch import Tensor

from ..boundary.distances import Search
from ..boundary.results import columns_of
from ..errors import BackburnError, first_line
from ..models.inference import best_device
from ..types import Labels, Pixels
from .ledger import note
from .shipping import from_table

AHEAD = 2
"""Shards that wait at an actor while it searches another."""


@dataclass(frozen=True, slots=True)
class Order:
    """A search as its actors are told of it: what stays the same from shard to shard.

    Args:
        model: a reference, see `shipping.ship_model`.
        ledger: see `ledger.open_ledger`.
    """

    model: Any
    ledger: Any
    search: Search


class Searcher:
    """What an actor does: it holds the model on its device, and searches shards one by one."""

    def __init__(self, order: Order):
        self._order = order
        self._model = ray.get(order.model).to(best_device())

    def __call__(self, table: pa.Table) -> pa.Table:
        number, pixels, predictions = from_table(table)
        note(self._order.ledger, str(number))
        result, error = b"", ""
        try:
            result = save(self._found(pixels, predictions))
        except BackburnError as wrong:  # told as it is: Ray would tell of its own insides, too
            error = str(wrong)
        kept = pa.array([result], pa.large_binary())
        return pa.table({"shard": pa.array([number]), "result": kept, "error": pa.array([error])})

    def _found(self, pixels: Pixels, predictions: Labels | None) -> dict[str, Tensor]:
        found = self._order.search.run(self._model, pixels, predictions=predictions)
        return {name: values.contiguous() for name, values in columns_of(found).items()}


def search_shards(
    tables: Iterable[pa.Table], order: Order, actors: int, gpus: float, at_once: int
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """The columns of each shard's result, in the order in which shards are done.

    Args:
        tables: see `shipping.to_table`; put into the object store as they come.
        actors: at the most, each with one CPU.
        gpus: what each holds of one, such as 0.5; none where 0.
        at_once: shards in the object store at a time.
    Raises:
        BackburnError: what `boundary` raises, or an actor that fails in any other way.
    """
    waiting = iter(tables)
    while blocks := [ray.put(table) for table in islice(waiting, at_once)]:
        most = min(actors, len(blocks))
        found = ray.data.from_arrow_refs(blocks).map_batches(
            Searcher,
            fn_constructor_args=(order,),
            batch_size=1,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(
                min_size=1,
                initial_size=most,
                max_size=most,
                max_tasks_in_flight_per_actor=AHEAD,
            ),
            num_cpus=1,
            num_gpus=gpus,
        )
        try:
            for row in found.iter_rows():
                if row["error"]:
                    raise BackburnError(row["error"])
                yield row["shard"], load(row["result"])
        except ray.exceptions.RayError as lost:
            why = first_line(getattr(lost, "cause", lost))
            raise BackburnError(f"the search failed on the cluster: {why}") from lost

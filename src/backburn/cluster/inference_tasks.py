"""A question about images as a Ray Data pipeline: shards of pixels in, of answers out."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy
from safetensors.torch import load, save
from torch import Tensor, nn

from ..boundary.concatenation import columns_of
from ..boundary.distances import Search
from ..errors import BackburnError, first_line
from ..models.activations import BATCH, activations
from ..models.inference import best_device
from ..types import Labels, Pixels
from .retries import note
from .serialization import from_table

AHEAD = 2
"""Shards that wait at an actor while it is asked about another."""


class Question(Protocol):
    """What a model is asked about images, a shard at a time."""

    @property
    def phase(self) -> str:
        """What progress calls it."""
        ...

    def answer(
        self, model: nn.Module, pixels: Pixels, predictions: Labels | None, /
    ) -> dict[str, Tensor]:
        """Columns with a row an image."""
        ...


@dataclass(frozen=True, slots=True)
class Searching:
    """How far the boundary is."""

    search: Search

    @property
    def phase(self) -> str:
        return self.search.phase

    def answer(
        self, model: nn.Module, pixels: Pixels, predictions: Labels | None
    ) -> dict[str, Tensor]:
        return columns_of(self.search.run(model, pixels, predictions=predictions))


@dataclass(frozen=True, slots=True)
class Watching:
    """What the layers make of it, see `models.activations`."""

    phase: str = "activations"
    batch_size: int = BATCH

    def answer(
        self, model: nn.Module, pixels: Pixels, _predictions: Labels | None
    ) -> dict[str, Tensor]:
        rows, said = activations(model, pixels, batch_size=self.batch_size)
        return {"rows": rows, "said": said}


@dataclass(frozen=True, slots=True)
class Order:
    """A question as its actors are told of it: what stays the same from shard to shard.

    Args:
        model: a reference, see `shipping.ship_model`.
        ledger: see `ledger.open_ledger`.
    """

    model: Any
    ledger: Any
    question: Question


class Actor:
    """Holds the model on its device, and answers shard by shard."""

    def __init__(self, order: Order):
        self._order = order
        self._model = ray.get(order.model).to(best_device())

    def __call__(self, table: pa.Table) -> pa.Table:
        number, pixels, predictions = from_table(table)
        note(self._order.ledger, str(number))
        result, error = b"", ""
        try:
            said = self._order.question.answer(self._model, pixels, predictions)
            result = save({name: values.contiguous() for name, values in said.items()})
        except BackburnError as wrong:  # told as it is: Ray would tell of its own insides, too
            error = str(wrong)
        kept = pa.array([result], pa.large_binary())
        return pa.table({"shard": pa.array([number]), "result": kept, "error": pa.array([error])})


def answers(
    tables: Iterable[pa.Table], order: Order, actors: int, gpus: float, at_once: int
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """The columns of each shard's answer, in the order in which shards are done.

    Args:
        tables: see `shipping.to_table`; put into the object store as they come.
        actors: at the most, each with one CPU.
        gpus: what each holds of one, such as 0.5; none where 0.
        at_once: shards in the object store at a time.
    Raises:
        BackburnError: what the question raises, or an actor that fails in any other way.
    """
    waiting = iter(tables)
    while blocks := [ray.put(table) for table in islice(waiting, at_once)]:
        most = min(actors, len(blocks))
        found = ray.data.from_arrow_refs(blocks).map_batches(
            Actor,
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
            # nothing is prefetched: that thread may be asking when we disconnect, which ends us
            done = found.iter_batches(prefetch_batches=0, batch_size=None, batch_format="pyarrow")
            for row in (row for table in done for row in table.to_pylist()):
                if row["error"]:
                    raise BackburnError(row["error"])
                yield row["shard"], load(row["result"])
        except ray.exceptions.RayError as lost:
            why = first_line(getattr(lost, "cause", lost))
            raise BackburnError(f"{order.question.phase} failed on the cluster: {why}") from lost

"""The shards of a question, asked on the cluster: into files, or one after the other."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

import pyarrow as pa
from torch import Tensor

from ..executor.checked_tensors import write_tensors
from ..executor.shards import Shard
from ..memory_mapped import release
from ..types import Labels, Pixels, Progress
from .inference_tasks import Order, answers
from .serialization import to_table
from .session import store_bytes

STORED = 0.2
"""Of this node's object store, for the pixels of shards that are under way."""


class Piece(Protocol):
    """Consecutive images."""

    @property
    def rows(self) -> slice: ...


class Crew(NamedTuple):
    """Who answers: actors at the most, what each holds of a GPU, and images a shard."""

    actors: int
    gpus: float
    shard: int


P = TypeVar("P", bound=Piece)


def answered(
    pieces: Iterable[P],
    pixels: Pixels,
    predictions: Labels | None,
    order: Order,
    crew: Crew,
    progress: Progress,
) -> Iterator[tuple[P, dict[str, Tensor]]]:
    """Pieces with their answers, in the order in which they are done.

    Args:
        pieces: looked for as there is room for them.
        others: see `asking.answers`.
    """
    waiting: dict[int, P] = {}

    def tables() -> Iterator[pa.Table]:
        for number, piece in enumerate(pieces):
            waiting[number] = piece
            known = None if predictions is None else predictions[piece.rows]
            yield to_table(number, pixels[piece.rows], known)
            release(pixels[piece.rows])  # by now it is in the object store

    store = STORED * store_bytes() / pixels[: crew.shard].nbytes
    at_once = max(2 * crew.actors, int(store))
    phase, done, total = order.question.phase, 0, len(pixels)
    progress(phase, done, total)
    for number, columns in answers(tables(), order, crew.actors, crew.gpus, at_once):
        piece = waiting.pop(number)
        yield piece, columns
        done += piece.rows.stop - piece.rows.start
        progress(phase, done, total)


def fill(
    missing: Iterable[Shard],
    pixels: Pixels,
    predictions: Labels | None,
    order: Order,
    crew: Crew,
    progress: Progress,
) -> None:
    """Write the file of every missing shard, as each is done; arguments as for `answered`."""
    for part, columns in answered(missing, pixels, predictions, order, crew, progress):
        write_tensors(part.path, part.key, columns)


class Rows(NamedTuple):
    """A piece that goes to no file."""

    rows: slice


def in_order(
    pixels: Pixels, order: Order, crew: Crew, progress: Progress
) -> Iterator[dict[str, Tensor]]:
    """The answers about all images, from the first to the last; those that come early wait."""
    begins = range(0, len(pixels), crew.shard)
    pieces = (Rows(slice(begin, min(begin + crew.shard, len(pixels)))) for begin in begins)
    early, due = {}, 0
    for piece, columns in answered(pieces, pixels, None, order, crew, progress):
        early[piece.rows.start] = columns
        while due in early:
            yield early.pop(due)
            due += crew.shard

"""Where decoded images are put: in memory, or where that would be much, in a mapped file."""

from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
import torch

from .. import memory_mapped
from ..memory_mapped import size_of, spilled, write_table
from ..types import Pixels

WHAT = "decoded images"


def paint(rows: Iterable[np.ndarray], shape: tuple[int, int, int, int]) -> Pixels:
    """Rows of `(c, h, w)`, at most `shape[0]` of them, as one batch.

    Beyond `memory_mapped.IN_MEMORY` bytes the batch is memory-mapped, see `memory_mapped.spilled`.
    Raises:
        InputError: no room for the file.
    """
    if size_of(shape, torch.uint8) > memory_mapped.IN_MEMORY:
        return spilled(_parts(rows, shape), shape, torch.uint8, WHAT)
    batch, count = np.empty(shape, np.uint8), 0
    for row in rows:
        batch[count] = row
        count += 1
    return torch.from_numpy(batch)[:count]


def paint_file(
    rows: Iterable[np.ndarray], shape: tuple[int, int, int, int], file: IO[bytes]
) -> Pixels:
    """Rows written to an empty file; the batch is a shared mapping of it."""
    return write_table(_parts(rows, shape), shape, torch.uint8, file)


def _parts(rows: Iterable[np.ndarray], shape: tuple[int, int, int, int]) -> Iterator[np.ndarray]:
    return (np.broadcast_to(row, shape[1:])[None] for row in rows)

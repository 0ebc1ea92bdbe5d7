"""Buffers for decoded images: in memory, or in a memory-mapped file if they are large."""

from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
import torch

from .. import memory_mapped
from ..memory_mapped import byte_count, write_table, write_temporary
from ..types import Pixels

CONTENT = "decoded images"
"""What the buffers hold, for error messages."""


def collect_images(images: Iterable[np.ndarray], shape: tuple[int, int, int, int]) -> Pixels:
    """Collect images `(c, h, w)`, at most `shape[0]` of them, in one batch.

    A batch of more than `memory_mapped.MAX_IN_MEMORY` bytes is memory-mapped.

    Raises:
        InputError: no room for the file.
    """
    if byte_count(shape, torch.uint8) > memory_mapped.MAX_IN_MEMORY:
        return write_temporary(_with_batch_axis(images, shape), shape, torch.uint8, CONTENT)
    batch, count = np.empty(shape, np.uint8), 0
    for image in images:
        batch[count] = image
        count += 1
    return torch.from_numpy(batch)[:count]


def write_images(
    images: Iterable[np.ndarray], shape: tuple[int, int, int, int], file: IO[bytes]
) -> Pixels:
    """Write images to an empty file and return them as a memory-mapped batch."""
    return write_table(_with_batch_axis(images, shape), shape, torch.uint8, file)


def _with_batch_axis(
    images: Iterable[np.ndarray], shape: tuple[int, int, int, int]
) -> Iterator[np.ndarray]:
    # a gray image of a batch in color is broadcast to three channels
    return (np.broadcast_to(image, shape[1:])[None] for image in images)

"""Where decoded images are put: in memory, or where that would be much, in a mapped file."""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
import torch

from ..errors import InputError
from ..types import Pixels

IN_MEMORY = 2**28
"""The most bytes of decoded images that are held in memory."""


def paint(rows: Iterable[np.ndarray], shape: tuple[int, int, int, int]) -> Pixels:
    """Rows of `(c, h, w)`, at most `shape[0]` of them, as one batch.

    Beyond `IN_MEMORY` bytes the batch is a mapping of a file in the temporary folder (TMPDIR says
    which) that has no name any more: it is gone when the batch is.
    Raises:
        InputError: no room for the file.
    """
    if int(np.prod(shape)) > IN_MEMORY:
        try:
            with tempfile.NamedTemporaryFile(prefix="backburn-", buffering=2**20) as file:
                return paint_file(rows, shape, file)
        except OSError as error:
            raise no_room(Path(tempfile.gettempdir()), shape, error) from None
    batch, count = np.empty(shape, np.uint8), 0
    for row in rows:
        batch[count] = row
        count += 1
    return torch.from_numpy(batch)[:count]


def paint_file(
    rows: Iterable[np.ndarray], shape: tuple[int, int, int, int], file: IO[bytes]
) -> Pixels:
    """Rows written to an empty file; the batch is a shared mapping of it."""
    # written, not painted through the mapping: a full disk is an error and not a crash, and pages
    # of a mapping that were written to count as resident
    count = 0
    for row in rows:
        file.write(np.broadcast_to(row, shape[1:]).tobytes())
        count += 1
    file.truncate(int(np.prod(shape)))
    file.flush()
    return mapped(file.name, shape)[:count]


def mapped(path: str | Path, shape: tuple[int, int, int, int]) -> Pixels:
    """A file of uint8 as a batch; what is changed in the batch changes in the file."""
    size = int(np.prod(shape))
    return torch.from_file(str(path), shared=True, size=size, dtype=torch.uint8).view(shape)


def no_room(folder: Path, shape: tuple[int, int, int, int], error: OSError) -> InputError:
    """The error for decoded images that cannot be written."""
    gigabytes = np.prod(shape, dtype=np.int64) / 1e9
    return InputError(
        f"{gigabytes:.1f} GB of decoded images cannot be written to {folder}: {error.strerror}; "
        "free some room, name another folder, or take fewer or smaller images"
    )

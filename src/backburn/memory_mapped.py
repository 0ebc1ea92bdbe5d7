"""Rows of numbers in a mapped file, where they would be much for the memory.

Resident memory is for what is being looked at: pages that are done with are let go of.
"""

import ctypes
import mmap
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from .errors import InputError

MAX_IN_MEMORY = 2**28
"""The most bytes of a table of images that are held in memory."""
MAX_OUTPUTS_IN_MEMORY = 2**22
"""The same of what a network says of them: it is read in order, or a few rows at a time."""
ROWS_PER_READ = 256
"""Rows that are taken of a mapped table at a time: the system maps what lies around each, too."""
MADV_DONTNEED = 4
"""MADV_DONTNEED of Linux; elsewhere it may discard what was written."""


def byte_count(shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """Bytes of a table."""
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize


def write_temporary(
    parts: Iterable[np.ndarray], shape: tuple[int, ...], dtype: torch.dtype, what: str
) -> Tensor:
    """A table in a file of the temporary folder (TMPDIR says which) that has no name any more.

    It is gone when the table is.

    Args:
        parts: `(n, ...)`, of at most `shape[0]` rows together.
        what: the rows are, for the error.
    Raises:
        InputError: no room for the file.
    """
    try:
        with tempfile.NamedTemporaryFile(prefix="backburn-") as file:
            return write_table(parts, shape, dtype, file)
    except OSError as error:
        folder = Path(tempfile.gettempdir())
        raise no_space_error(what, folder, byte_count(shape, dtype), error) from None


def write_table(
    parts: Iterable[np.ndarray], shape: tuple[int, ...], dtype: torch.dtype, file: IO[bytes]
) -> Tensor:
    """Parts of a table written to an empty file; what is returned is a shared mapping of it."""
    # written, not put into the mapping: a full disk is an error and not a crash, and pages of a
    # mapping that were written to count as resident
    count = 0
    for part in parts:
        file.write(np.ascontiguousarray(part).data)
        count += len(part)
    file.truncate(byte_count(shape, dtype))
    file.flush()
    return map_file(file.name, shape, dtype)[:count]


def map_file(path: str | Path, shape: tuple[int, ...], dtype: torch.dtype = torch.uint8) -> Tensor:
    """A file as a table; what is changed in the table changes in the file."""
    size = int(np.prod(shape, dtype=np.int64))
    return torch.from_file(str(path), shared=True, size=size, dtype=dtype).view(shape)


def no_space_error(what: str, folder: Path, size: int, error: OSError) -> InputError:
    """The error for rows that cannot be written."""
    return InputError(
        f"{size / 1e9:.1f} GB of {what} cannot be written to {folder}: {error.strerror}; "
        "free some room, name another folder, or take fewer or smaller images"
    )


def copy_rows(table: Tensor, rows: Tensor) -> Tensor:
    """A copy of these rows of a table; of a mapped one, no more than a few pages are ever held."""
    if not is_mapped(table):
        return table[rows]
    found = table.new_empty((len(rows), *table.shape[1:]))
    for begin in range(0, len(rows), ROWS_PER_READ):
        part = rows[begin : begin + ROWS_PER_READ]
        found[begin : begin + len(part)] = table[part]
        release_pages(table)
    return found


def evenly_spaced(rows: Tensor, count: int) -> Tensor:
    """At most so many of these rows, evenly spaced: of a table in a file, from all over it."""
    return rows[torch.linspace(0, len(rows) - 1, min(count, len(rows))).long()]


def is_mapped(table: Tensor) -> bool:
    """Whether the numbers lie in a file."""
    return table.device.type == "cpu" and table.untyped_storage().filename is not None


def release_pages(pixels: Tensor) -> None:
    """Let go of the pages of a contiguous part of a mapped file; they come back when read again.

    What has no file behind it is left alone, and so is everything but Linux. The mapping is
    shared, so nothing that was written is lost.
    """
    if sys.platform != "linux" or not pixels.numel() or not is_mapped(pixels):
        return
    if not pixels.is_contiguous():
        return
    start = pixels.data_ptr()
    end = start + pixels.numel() * pixels.element_size()
    first = start - start % mmap.PAGESIZE
    # advice that is not taken costs memory, no correctness
    ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), MADV_DONTNEED)


@contextmanager
def utf8_path(path: Path) -> Iterator[Path]:
    """The file under a name that is UTF-8, for libraries that open no other: a link where it has to
    be.
    """
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="backburn-") as folder:
            link = Path(folder) / "file"
            link.symlink_to(path.absolute())
            yield link
    else:
        yield path

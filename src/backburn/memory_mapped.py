"""Large tables as memory-mapped files, so that they need not fit into memory.

Pages that have been read are released, so that resident memory stays small.
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
"""Most bytes of images that are kept in memory instead of in a file."""
MAX_OUTPUTS_IN_MEMORY = 2**22
"""The same for outputs of a network, which are read in order or a few rows at a time."""
ROWS_PER_READ = 256
"""Rows read from a file at a time: the system also maps the pages around each row."""
MADV_DONTNEED = 4
"""The constant of Linux; on other systems this advice may discard written data."""


def byte_count(shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """Bytes of a table of that shape and type."""
    return int(np.prod(shape, dtype=np.int64)) * dtype.itemsize


def write_temporary(
    parts: Iterable[np.ndarray], shape: tuple[int, ...], dtype: torch.dtype, what: str
) -> Tensor:
    """Write a table to an unnamed file in the temporary folder (TMPDIR), and map it.

    The file is freed with the table.

    Args:
        parts: `(n, ...)`, of at most `shape[0]` rows together.
        what: what the rows are, for the error message.
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
    """Write the parts of a table to an empty file, and return a shared mapping of it."""
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
    """Map a file as a table; changes of the table change the file."""
    size = int(np.prod(shape, dtype=np.int64))
    return torch.from_file(str(path), shared=True, size=size, dtype=dtype).view(shape)


def no_space_error(what: str, folder: Path, size: int, error: OSError) -> InputError:
    """The error for rows that can't be written."""
    return InputError(
        f"{size / 1e9:.1f} GB of {what} cannot be written to {folder}: {error.strerror}; "
        "free some room, name another folder, or take fewer or smaller images"
    )


def copy_rows(table: Tensor, rows: Tensor) -> Tensor:
    """Copy rows of a table; of a mapped one only a few pages are in memory at any time."""
    if not is_mapped(table):
        return table[rows]
    copied = table.new_empty((len(rows), *table.shape[1:]))
    for begin in range(0, len(rows), ROWS_PER_READ):
        part = rows[begin : begin + ROWS_PER_READ]
        copied[begin : begin + len(part)] = table[part]
        release_pages(table)
    return copied


def evenly_spaced(rows: Tensor, count: int) -> Tensor:
    """At most `count` of these rows, evenly spaced.

    >>> evenly_spaced(torch.arange(10), 3).tolist()
    [0, 4, 9]
    """
    return rows[torch.linspace(0, len(rows) - 1, min(count, len(rows))).long()]


def is_mapped(table: Tensor) -> bool:
    """Whether a table is a memory-mapped file."""
    return table.device.type == "cpu" and table.untyped_storage().filename is not None


def release_pages(pixels: Tensor) -> None:
    """Release the pages of a contiguous part of a mapped file; they are read again when needed.

    Does nothing for tables in memory, and on systems other than Linux. The mapping is shared, so
    written data is kept.
    """
    if sys.platform != "linux" or not pixels.numel() or not is_mapped(pixels):
        return
    if not pixels.is_contiguous():
        return
    start = pixels.data_ptr()
    end = start + pixels.numel() * pixels.element_size()
    first = start - start % mmap.PAGESIZE
    # if the system ignores the advice, that costs memory but not correctness
    ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), MADV_DONTNEED)


@contextmanager
def utf8_path(path: Path) -> Iterator[Path]:
    """Yield a UTF-8 path to the same file, for libraries that open no other; a link if needed."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="backburn-") as folder:
            link = Path(folder) / "file"
            link.symlink_to(path.absolute())
            yield link
    else:
        yield path

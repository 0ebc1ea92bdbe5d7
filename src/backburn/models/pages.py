"""Pages of mapped pixels that are done with: resident memory is for what is being looked at."""

import ctypes
import mmap
import sys

from torch import Tensor

DONTNEED = 4
"""MADV_DONTNEED of Linux; elsewhere it may discard what was written."""


def take(table: Tensor, rows: Tensor) -> Tensor:
    """A copy of these rows of a table, which may be mapped; its pages are let go of."""
    found = table[rows]
    release(table)
    return found


def release(pixels: Tensor) -> None:
    """Let go of the pages of a contiguous part of a mapped file; they come back when read again.

    What has no file behind it is left alone, and so is everything but Linux. The mapping is
    shared, so nothing that was written is lost.
    """
    if sys.platform != "linux" or pixels.device.type != "cpu" or not pixels.numel():
        return
    if pixels.untyped_storage().filename is None or not pixels.is_contiguous():
        return
    start = pixels.data_ptr()
    end = start + pixels.numel() * pixels.element_size()
    first = start - start % mmap.PAGESIZE
    # advice that is not taken costs memory, no correctness
    ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(end - first), DONTNEED)

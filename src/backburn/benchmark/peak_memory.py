"""Peak memory of a cell, in a process that may have run other cells before."""

import contextlib
import resource
import sys
from pathlib import Path

import torch

STATUS, CLEAR_REFS = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def reset_peak() -> None:
    """Measure the peak from here on. On systems other than Linux it counts from the start."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        CLEAR_REFS.write_text("5")


def peak_mebibytes() -> int:
    """Peak resident memory of this process, and of its CUDA device, in MiB."""
    on_gpu = torch.cuda.max_memory_allocated() >> 20 if torch.cuda.is_available() else 0
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return on_gpu + int(line.split()[1]) // 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return on_gpu + peak // (1024 if sys.platform != "darwin" else 1 << 20)

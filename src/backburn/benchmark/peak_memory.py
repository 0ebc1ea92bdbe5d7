"""Peak memory of a cell, in a process that has run others before."""

import contextlib
import resource
import sys
from pathlib import Path

import torch

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def forget_peak() -> None:
    """Count the peak from here on, where the system can (Linux); elsewhere since the start."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with contextlib.suppress(OSError):
        FORGET.write_text("5")


def peak_mebibytes() -> int:
    """Peak resident memory of this process, and of its CUDA device, in MiB."""
    held = torch.cuda.max_memory_allocated() >> 20 if torch.cuda.is_available() else 0
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return held + int(line.split()[1]) // 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held + peak // (1024 if sys.platform != "darwin" else 1 << 20)

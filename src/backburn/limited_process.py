"""What a stranger's file asks for is tried first in a process that may take so much, no more."""

import os
import resource
import subprocess
import sys
from pathlib import Path

from .errors import InputError, printable

CPU_SECONDS, CPU_SECONDS_PER_GIB = 15, 40
"""Of the processor that it may take to build a network and ask it; more for large weights."""
EXTRA_BYTES = 3 * 2**28
"""Bytes that it may take beside the weights, which are copied, and may be stored as halves."""
WEIGHT_COPIES = 5
CODE = "import sys; sys.path[:] = sys.argv[5:]; from backburn.limited_process import main; main()"
EXIT_REFUSED = 3


def run_limited(module: str, folder: Path, weights: int) -> None:
    """Have `module.dry_run(folder)` done elsewhere, after `module.warm_up()`, and see that it ends.

    Args:
        module: its whole name; of this package.
        weights: bytes of them.
    Raises:
        InputError: it takes too long or too much memory, or what it raised.
    """
    command = [sys.executable, "-c", CODE, module, str(_seconds(weights)), str(_room(weights))]
    command += [str(folder), *sys.path]
    one = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    patience = 5 * _seconds(weights) + 60  # of the clock, on a busy machine
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **one},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_much(folder, weights) from None
    if done.returncode == EXIT_REFUSED:
        raise InputError(done.stdout.decode("utf-8", "replace").strip())
    if done.returncode:
        raise _too_much(folder, weights)


def _too_much(folder: Path, weights: int) -> InputError:
    return InputError(
        f"{folder}: its network cannot be built and asked within {_seconds(weights)} seconds of "
        f"the processor and {EXTRA_BYTES >> 20} MiB beside its weights: its config.json does not "
        "go with them"
    )


def _seconds(weights: int) -> int:
    return CPU_SECONDS + CPU_SECONDS_PER_GIB * weights // 2**30


def _room(weights: int) -> int:
    return EXTRA_BYTES + WEIGHT_COPIES * weights


def main() -> None:
    """In the other process: its arguments are a module, seconds, bytes and a folder."""
    from importlib import import_module

    module, seconds, room, folder = sys.argv[1:5]
    doing = import_module(module)
    doing.warm_up()  # libraries are as slow as they are
    _limit(int(seconds), int(room))
    try:
        doing.dry_run(Path(folder))
    except InputError as error:
        sys.stdout.buffer.write(printable(str(error)).encode())
        sys.stdout.flush()
        os._exit(EXIT_REFUSED)
    os._exit(0)  # what could still go wrong at an exit is nobody's matter


def _limit(seconds: int, room: int) -> None:
    """From now on; where the system says how much is held."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds += int(used.ru_utime + used.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    status = Path("/proc/self/statm")
    if status.exists():
        held = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + room, held + room))

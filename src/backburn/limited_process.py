"""Run a function in a child process with limits on CPU time and memory."""

import os
import resource
import subprocess
import sys
from pathlib import Path

from .errors import InputError, printable

CPU_SECONDS, CPU_SECONDS_PER_GIB = 15, 40
"""CPU seconds that building and running a network may take, and more for each GiB of weights."""
EXTRA_BYTES = 3 * 2**28
"""Bytes that it may take in addition to copies of the weights, which may be stored as halves."""
WEIGHT_COPIES = 5
CODE = "import sys; sys.path[:] = sys.argv[5:]; from backburn.limited_process import main; main()"
EXIT_REFUSED = 3


def run_limited(module: str, folder: Path, weights: int) -> None:
    """Run `module.warm_up()` and then `module.dry_run(folder)` in a limited child process.

    Args:
        module: full name of a module of this package.
        folder: the untrusted folder.
        weights: bytes of its weights.
    Raises:
        InputError: it takes too long or too much memory, or raised this error itself.
    """
    command = [sys.executable, "-c", CODE, module, str(_seconds(weights)), str(_room(weights))]
    command += [str(folder), *sys.path]
    one = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    patience = 5 * _seconds(weights) + 60  # wall-clock seconds: the machine may be busy
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
    """The child process; its arguments are a module, seconds, bytes and a folder."""
    from importlib import import_module

    module, seconds, room, folder = sys.argv[1:5]
    target = import_module(module)
    target.warm_up()  # importing libraries does not count
    _limit(int(seconds), int(room))
    try:
        target.dry_run(Path(folder))
    except InputError as error:
        sys.stdout.buffer.write(printable(str(error)).encode())
        sys.stdout.flush()
        os._exit(EXIT_REFUSED)
    os._exit(0)  # skip cleanup, which could still fail


def _limit(seconds: int, room: int) -> None:
    """Limit this process from now on; memory only where the system tells how much it has."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds += int(used.ru_utime + used.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    status = Path("/proc/self/statm")
    if status.exists():
        held = int(status.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + room, held + room))

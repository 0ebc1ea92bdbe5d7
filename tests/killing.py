"""Runs commands in forks of one process, and kills them inside of a write.

    python tests/killing.py FOLDER < a JSON object a line > a JSON object a line

Each object is {"arguments": [...], "kill": [PATTERN, NUMBER, MOMENT], "signal": NUMBER}, the latter
two may be null. PATTERN is part of the path that is written, NUMBER which of these writes, MOMENT
`half` (of the file is written), `before` or `after` a run's folder gets its name. A signal is sent
once a first file is kept, and the seconds are those that it took to end.
"""

import functools
import itertools
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch

from backburn.cli import main as entry
from backburn.executor import checkpoints
from backburn.executor.resumable import ResumableExecutor
from backburn.runs import atomic

STEP, FEW = 1.0, 20.0
"""By the clock that checkpoints see: what a step of training takes, and what is between two."""


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Killing:
    """Counts what is written, and dies in the middle of it."""

    def __init__(self, pattern: str, number: int, moment: str):
        self.pattern, self.number, self.moment = pattern, number, moment
        self.write, self.rename = atomic._write, Path.rename

    def writes(self, path: Path, content: bytes) -> None:
        if self.moment == "half" and self.pattern in str(path):
            self.number -= 1
            if self.number == 0:
                path.write_bytes(content[: len(content) // 2])
                die()
        self.write(path, content)

    def renames(self, path: Path, target: Path) -> Path:
        named = path.name.endswith(atomic.PARTIAL_SUFFIX)  # old filelocks rename a lock, too
        if named and self.moment == "before":
            die()
        renamed = self.rename(path, target)
        if named and self.moment == "after":
            die()
        return renamed


def child(order: dict) -> None:
    """One command; ends the process."""
    for name in ("out", "err"):
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1 if name == "out" else 2)
    if order.get("kill"):
        killing = Killing(*order["kill"])
        atomic._write = killing.writes
        Path.rename = lambda path, target: killing.renames(path, target)  # noqa: PLW0108
    sys.argv = ["backburn", *order["arguments"]]
    try:
        entry.main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
    os._exit(99)


def answer(order: dict) -> dict:
    """How the command ended: its exit code, or the signal that killed it below zero."""
    pid = os.fork()
    if pid == 0:
        child(order)
    began = time.monotonic()
    if order.get("signal"):
        while not list(Path().rglob("boundary/*.safetensors")) and time.monotonic() - began < 60:
            time.sleep(0.01)
        began = time.monotonic()
        os.kill(pid, order["signal"])
    _, status = os.waitpid(pid, 0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - began,
        "out": Path("out").read_text(),
        "err": Path("err").read_text(),
    }


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    torch.set_num_threads(1)
    # what a command imports, so that no fork has to
    import backburn.burn.burn  # noqa: F401
    from backburn.cli import planned_run

    planned_run.ResumableExecutor = functools.partial(ResumableExecutor, min_interval=FEW)
    checkpoints.MAX_TIME_SHARE = 1.0
    # what is kept must not depend on how fast this machine is
    checkpoints.time = SimpleNamespace(monotonic=itertools.count(step=STEP).__next__)
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")
        sys.stdout.flush()

"""Gives backburn a hostile input in a fork of this process, and measures what comes of it."""

import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from foldered import HUB, RUNS, SETS, TREES, tree
from pickled import FILES

SECONDS, MOST, WAITED = 30, 2**30, 240
"""Of the processor, bytes beyond the file, and seconds of the clock on a busy machine."""


@dataclass(frozen=True)
class Tried:
    """What came of an input.

    `line` is the last one on stderr, `code` the exit code or a signal below zero; `grown` bytes
    beyond what the process had and what the input has.
    """

    kind: str
    name: str
    size: int
    code: int
    line: str
    seconds: float
    grown: int
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Input:
    """An input: `make` writes it into a folder, and `words` are the command on it."""

    kind: str
    name: str
    make: Callable[[Path], object]
    words: tuple[str, ...]


def inputs() -> Iterator[Input]:
    """All of them."""

    def with_photos(make: Callable[[Path], object], name: str) -> Callable[[Path], object]:
        return lambda folder: (tree(folder / "good"), make(folder / name))

    for name, make in FILES.items():
        file = "m.safetensors" if name.startswith("safetensors") else "m.pt"
        words = ("audit", file, "good", "--out", "out")
        arch = () if "small_cnn" in name or "code" in name else ("--arch", "small_cnn")
        yield Input("model file", name, with_photos(make, "m.pt"), (*words, *arch))
    for name, make in HUB.items():
        words = ("audit", "hub", "good", "--out", "out")
        yield Input("Hugging Face folder", name, with_photos(make, "hub"), words)
    for name, make in TREES.items():
        words = ("attack", "none", "photos", "--out", "out", *FEW)
        yield Input(
            "folder of images", name, lambda folder, make=make: make(folder / "photos"), words
        )
    for name, make in SETS.items():
        suffix = name.partition(":")[0]
        words = ("attack", "none", f"set.{suffix}", "--out", "out", *FEW)
        yield Input("set of images", name, lambda folder, make=make: make(folder / "set.x"), words)
    for name, (words, make) in RUNS.items():
        yield Input("run", name, lambda folder, make=make: make(folder / "run"), words)


FEW = ("--set", "recipe.training.epochs=1")


def snapshot(root: Path) -> dict[str, bytes]:
    """What must stay as it is: everything outside of the run and of what was to be written."""
    spared = ("run/", "out/", "runs/", "said")
    found = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = os.readlink(path).encode()
        elif path.is_file() and not name.startswith(spared):
            found[name] = path.read_bytes()
    return found


def child(words: tuple[str, ...]) -> None:
    """The command; ends the process."""
    handle = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    sys.argv = ["backburn", *words]
    from backburn.cli.main import main

    code = 99
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def tried(given: Input) -> Tried:
    """Make it, run the command in a fork, and look."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given.make(folder)
        size = sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file())
        before, began = snapshot(folder), time.monotonic()
        pid = os.fork()
        if pid == 0:
            os.chdir(folder)
            child(given.words)
        # a server that listens has read all that it reads
        served = given.words[0] == "serve"
        while True:
            done, status, used = os.wait4(pid, os.WNOHANG)
            waited = time.monotonic() - began
            if done:
                break
            if waited > (20 if served else WAITED):
                os.kill(pid, signal.SIGINT if served else signal.SIGKILL)
                served = False
            time.sleep(0.02)
        said = (folder / "said").read_text("utf-8", "backslashreplace")
        code = os.waitstatus_to_exitcode(status)
        seconds = used.ru_utime + used.ru_stime
        grown = max(0, used.ru_maxrss * 1024 - baseline() - size)
        faults = tuple(_faults(folder, before, said, code, seconds, waited, grown))
        shutil.rmtree(folder / "out", ignore_errors=True)
        lines = said.strip().splitlines() or [""]
        return Tried(given.kind, given.name, size, code, lines[-1], seconds, grown, faults)


def baseline() -> int:
    """Bytes that a fork of this process holds which does nothing."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return os.wait4(pid, 0)[2].ru_maxrss * 1024


def _faults(
    folder: Path,
    before: dict[str, bytes],
    said: str,
    code: int,
    seconds: float,
    waited: float,
    grown: int,
) -> Iterator[str]:
    if list(folder.rglob("proof")):
        yield "EXECUTED"
    if snapshot(folder) != before:
        yield "WRITTEN ELSEWHERE"
    if "Traceback" in said or code in (1, 99):
        yield "TRACEBACK"
    if code < 0 and code not in (-signal.SIGKILL, -signal.SIGXCPU):
        yield f"SIGNAL {-code}"
    if code in (-signal.SIGKILL, -signal.SIGXCPU) or seconds > SECONDS or waited > WAITED:
        yield "HUNG"
    if grown > MOST:
        yield "MEMORY"
    if "\x1b" in said or "\x9b" in said:
        yield "ESCAPES"


def warm() -> None:
    """Import what commands do, so that no fork has to."""

    torch.set_num_threads(1)

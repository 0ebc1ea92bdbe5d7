"""The command line with a fault in it: `python sabotage.py KIND:ARGUMENTS COMMAND ...`."""

import builtins
import datetime
import io
import itertools
import os
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def full(nth: str, folder: str) -> None:
    """The disk is full from the nth file on that is written below the folder."""
    count, real = itertools.count(1), io.open

    def opened(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        writes = isinstance(file, str | os.PathLike) and set(mode) & set("wax+")
        if writes and Path(file).absolute().is_relative_to(folder) and next(count) >= int(nth):
            real(file, mode, *rest, **named).close()
            file, mode = "/dev/full", mode.replace("x", "w")
        return real(file, mode, *rest, **named)

    builtins.open = io.open = opened  # type: ignore[assignment]


def limit(what: str, most: str) -> None:
    """The system gives this process so much and no more: AS, FSIZE or NOFILE."""
    kind = getattr(resource, f"RLIMIT_{what}")
    resource.setrlimit(kind, (int(most), resource.getrlimit(kind)[1]))


def between(what: str, file: str) -> None:
    """A file of the data goes or changes between the first look at the images and the second."""
    from backburn.data import decode_rows

    real = decode_rows.scan_rows

    def scan_rows(*given: Any, **named: Any) -> Any:
        seen, path = real(*given, **named), Path(file)
        if what == "gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[::-1])
        return seen

    decode_rows.scan_rows = scan_rows


def worker(what: str, nth: str) -> None:
    """A decode worker ends, or is without memory, at the nth image."""
    from backburn.data import decode_rows

    count, real = itertools.count(1), decode_rows.decode
    errors: dict[str, Callable[[], BaseException]] = {
        "killed": lambda: SystemExit("killed"),
        "memory": MemoryError,
        "files": lambda: OSError(24, "Too many open files"),
    }

    def decode(*given: Any) -> Any:
        if next(count) == int(nth):
            raise errors[what]()
        return real(*given)

    decode_rows.decode = decode


def short(most: str) -> None:
    """Memory does not suffice for more than so many images at once, where a model is asked."""
    import torch

    real = torch.nn.Conv2d.forward

    def forward(self: Any, images: Any) -> Any:
        if len(images) > int(most) and not torch.is_grad_enabled():
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return real(self, images)

    torch.nn.Conv2d.forward = forward  # type: ignore[method-assign]


def clock(seed: str) -> None:
    """The clock jumps, forward and back, by up to a day."""
    # compiled code keeps the size of the class that it was built with
    import torch  # noqa: F401

    import backburn.runs  # noqa: F401

    jumps, real = random.Random(seed), time.time  # noqa: S311

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls.fromtimestamp(real() + jumps.uniform(-86400, 86400), tz)

    time.time = lambda: real() + jumps.uniform(-86400, 86400)
    for module in [each for name, each in sys.modules.items() if name.startswith("backburn.")]:
        if getattr(module, "datetime", None) is datetime.datetime:
            module.datetime = Jumping  # type: ignore[attr-defined]


KINDS: dict[str, Callable[..., None]] = {
    each.__name__: each for each in (full, limit, between, worker, short, clock)
}

if __name__ == "__main__":
    kind, *details = sys.argv.pop(1).split(":")
    KINDS[kind](*details)
    from backburn.cli.main import main

    main()

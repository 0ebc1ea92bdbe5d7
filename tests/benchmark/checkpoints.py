"""What keeping a training costs: the share of its time that goes into checkpoints.

    python tests/benchmark/checkpoints.py --seconds 60 --networks preact_resnet18-w16

Prints one row a network, as Markdown: a training of about that long on random 32x32 images, kept as
every run keeps it, with the digests that name it counted in.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from backburn.executor import checkpoints, resumable
from backburn.models.nets.zoo import build
from backburn.runs import git_commit
from backburn.training import Training, TrainingTask

NETWORKS = ("small_cnn", "preact_resnet18-w16", "preact_resnet18")
IMAGES = 20_000


class Clock:
    """Seconds spent in some functions, and how often they were called."""

    def __init__(self):
        self.seconds, self.calls = 0.0, 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **more: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **more)
            finally:
                self.seconds += time.perf_counter() - began
                self.calls += 1

        return timed


class EnoughError(Exception):
    """It has been trained for long enough."""


def measured(network: str, seconds: float, folder: Path) -> str:
    """A row: how long it was trained, and what keeping it took."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (IMAGES, 3, 32, 32), generator=generator).to(torch.uint8)
    labels, model = torch.arange(IMAGES) % 10, build(network, 10, 3, generator=generator)
    writing, naming = Clock(), Clock()
    checkpoints.write_tensors = writing.timed(checkpoints.write_tensors)
    resumable.training_key = naming.timed(resumable.training_key)
    began = time.perf_counter()

    def tell(*_: object) -> None:
        if time.perf_counter() - began > seconds:
            raise EnoughError

    with contextlib.suppress(EnoughError):
        resumable.ResumableExecutor(folder).fit(
            model, TrainingTask(pixels, labels, Training(500)), generator, progress=tell
        )
    whole = time.perf_counter() - began
    size = sum(path.stat().st_size for path in folder.rglob("*.safetensors")) / 2**20
    share = 100 * (writing.seconds + naming.seconds) / whole
    return (
        f"| {network} | {size:.1f} | {whole:.0f} | {writing.calls} | {writing.seconds:.2f} "
        f"| {naming.seconds:.2f} | {share:.2f} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--networks", nargs="*", default=NETWORKS)
    asked = parser.parse_args()
    head = "| network | MiB | seconds | checkpoints | seconds of writing | of naming | % |"
    sys.stdout.write(f"{head}\n|{' --- |' * 7}\n")
    for network in asked.networks:
        with tempfile.TemporaryDirectory() as folder:
            sys.stdout.write(measured(network, asked.seconds, Path(folder)) + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"\ncommit {git_commit()}, {torch.get_num_threads()} threads\n")


if __name__ == "__main__":
    main()

"""Peak memory of auditing a large parquet file: `python tests/benchmark/memory.py 200000`.

Each phase is measured in a process of its own, so that the peak of one is not that of another.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from backburn.data.load_images import load_images
from backburn.data.writing import encode_png
from backburn.models.inference import predict
from backburn.models.nets.zoo import build
from backburn.training import Training, TrainingTask, fit
from backburn.types import Case

CHUNK, SIDE, CLASSES = 1000, 64, 10


def drawn(labels: np.ndarray, generator: np.random.Generator) -> torch.Tensor:
    """Images `(n, 3, 64, 64)` of one soft grating a class, in random colors, with some noise."""
    angle = np.pi * labels / CLASSES
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    along = np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y
    phase = generator.random((len(labels), 1, 1))
    wave = 0.5 + 0.5 * np.sin(2 * np.pi * (4 * along + phase))
    colors = generator.random((len(labels), 3, 1, 1))
    noise = generator.normal(0, 0.03, (len(labels), 3, SIDE, SIDE))
    images = wave[:, None] * colors + noise
    return torch.from_numpy((images.clip(0, 1) * 255).round().astype(np.uint8))


def write(path: Path, count: int) -> None:
    """A parquet file of so many different images, written a thousand at a time."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema([("image", kind), ("label", pa.int64())])
    generator = np.random.default_rng(0)
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, count, CHUNK):
            labels = generator.integers(0, CLASSES, min(CHUNK, count - start))
            rows = [{"bytes": png, "path": None} for png in encode_png(drawn(labels, generator))]
            writer.write_table(pa.table([rows, labels], schema=schema))


def peak() -> int:
    """Peak resident memory of this process in MiB (Linux)."""
    # ru_maxrss of a child begins with its parent's peak
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if "VmHWM" in line)) // 1024


def phase(name: str, path: Path) -> dict[str, object]:
    """Seconds and peak memory after each step of `read` or `audit`."""
    steps: dict[str, object] = {"start": peak()}
    began = time.perf_counter()

    def done(step: str) -> None:
        steps[step] = (round(time.perf_counter() - began, 1), peak())

    images = load_images(path)
    done("read")
    model = build("small_cnn", CLASSES, 3, generator=torch.Generator().manual_seed(0))
    predict(model, images.pixels)
    done("predict")
    if name == "audit":
        from backburn.burn.burn import BURN

        generator = torch.Generator().manual_seed(0)
        few = images.take(torch.randperm(len(images), generator=generator)[:5000])
        recipe = Training(epochs=3, batch_size=128)
        fit(model, TrainingTask(few.pixels, few.labels, recipe), generator)
        done("train")
        audit = BURN().audit(Case(model, images), generator)
        done("audit")
        steps["verdict"] = audit.verdict.state
    return steps


@click.command()
@click.argument("count", type=int, default=20_000)
@click.option("--phases", default="read,audit", help="Which of read and audit, with a comma.")
@click.option("--one", hidden=True, help="Run this phase on this file in this process.")
@click.option("--file", type=Path, help="Where the images are kept; a temporary file if not given.")
def main(count: int, phases: str, one: str | None, file: Path | None) -> None:
    """Peak resident memory (MiB) of reading and auditing COUNT generated 64x64 images."""
    if one:
        click.echo(json.dumps(phase(one, file or Path())))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = file or Path(folder) / "rows.parquet"
        if not path.is_file():
            write(path, count)
        click.echo(f"{path.stat().st_size / 2**20:.0f} MiB of parquet")
        for name in phases.split(","):
            command = [sys.executable, __file__, "--one", name, "--file", str(path)]
            told = subprocess.run(command, check=True, capture_output=True, text=True)
            click.echo(f"{name}: {told.stdout.strip()}")


if __name__ == "__main__":
    main()

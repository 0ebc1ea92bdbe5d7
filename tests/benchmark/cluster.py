"""Boundary search on a local Ray cluster: its speed, its faults and the driver's memory.

    python tests/benchmark/cluster.py speed --out studies/scale
    python tests/benchmark/cluster.py faults --times 10 --out studies/scale
    python tests/benchmark/cluster.py memory --out studies/scale

Each writes a table, `speed.csv`, `faults.csv` or `memory.csv`.
"""

import csv
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click
import torch
from torch import nn

from backburn.boundary.search_boundary import BoundarySearch
from backburn.cluster.executor import ClusterExecutor
from backburn.cluster.session import connect
from backburn.detection.candidate_groups import ClassSplitter
from backburn.memory_mapped import map_file
from backburn.models.nets.zoo import build
from backburn.types import BoundaryResult, Pixels

STORE, SIDE = 400_000_000, 32
COLUMNS = ("found", "distance", "crossed_label", "certified", "passes")
FAULTY = BoundarySearch(budget="fast", batch_size=64, directions=True)
"""What is asked for while nodes are removed and drivers killed."""


def network(name: str) -> nn.Module:
    return build(name, 10, 3, generator=torch.Generator().manual_seed(0)).eval()


def drawn(count: int) -> Pixels:
    generator = torch.Generator().manual_seed(1)
    shape = (count, 3, SIDE, SIDE)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def local_cluster(nodes: int, each: int = 1):
    """Nodes of one machine, each with so many CPUs."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_BACKEND_LOG_LEVEL="fatal")
    from ray.cluster_utils import Cluster

    room = {"num_cpus": each, "object_store_memory": STORE}
    cluster = Cluster(initialize_head=True, head_node_args=room)
    extra = [cluster.add_node(**room) for _ in range(nodes - 1)]
    return cluster, extra


def tabulate(out: Path, name: str, rows: Sequence[dict[str, object]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with (out / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    click.echo((out / f"{name}.csv").read_text())


def same(found: BoundaryResult, expected: BoundaryResult) -> bool:
    return all(torch.equal(getattr(found, name), getattr(expected, name)) for name in COLUMNS)


class Meter(threading.Thread):
    """CPU seconds of this process and of all that it has started, also that have ended (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._spent: dict[int, float] = {}
        self._look()
        self.start()

    def run(self) -> None:
        while True:
            time.sleep(0.2)
            self._look()

    def seconds(self) -> float:
        self._look()
        return sum(self._spent.values())

    def _look(self) -> None:
        parents, spent = {}, {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            parents[int(stat.parent.name)] = int(fields[1])
            spent[int(stat.parent.name)] = int(fields[11]) + int(fields[12])
        mine = {os.getpid()}
        while more := {pid for pid, parent in parents.items() if parent in mine} - mine:
            mine |= more
        for pid in mine & spent.keys():
            self._spent[pid] = spent[pid] / os.sysconf("SC_CLK_TCK")


METER = Meter()


def timed(search: Callable[[Pixels], BoundaryResult], pixels: Pixels, few: int):
    """The result, and what it took: all, and without what a search of a `few` images takes."""
    took = []
    for part in (pixels[:few], pixels):
        wall, cpu = time.perf_counter(), METER.seconds()
        found = search(part)
        took.append((time.perf_counter() - wall, METER.seconds() - cpu))
    (wall_of_few, cpu_of_few), (wall, cpu) = took
    more = len(pixels) - few
    return found, {
        "seconds": round(wall, 1),
        "start-up": round(max(0.0, wall_of_few - few * (wall - wall_of_few) / more), 1),
        "images a second": round(more / (wall - wall_of_few), 2),
        "CPU ms an image": round(1000 * (cpu - cpu_of_few) / more, 2),
        "load": round(os.getloadavg()[0], 1),
    }


@click.group()
def main() -> None:
    """Benchmarks of the cluster side."""


out_option = click.option("--out", type=click.Path(path_type=Path), required=True)


@main.command()
@click.option("--images", default=24576)
@click.option("--model", default="preact_resnet18-w16")
@click.option("--workers", default="1,2,4")
@click.option("--shard", default=512)
@out_option
def speed(images: int, model: str, workers: str, shard: int, out: Path) -> None:
    """Images a second of 1, 2 and 4 actors of one thread each, and of one process with as many
    threads before and after; *same* is whether the first images are those of one thread.
    """
    net, pixels, few = network(model), drawn(images), 4 * shard
    asked = BoundarySearch(budget="fast", batch_size=64)
    rows: list[dict[str, object]] = []

    def row(path: str, found: BoundaryResult, took: dict[str, float]) -> None:
        begin = found.take(torch.arange(few))
        rows.append({"path": path, "images": images, **took, "same": same(begin, expected)})
        click.echo(rows[-1])

    def plain(threads: int) -> None:
        torch.set_num_threads(threads)
        found = timed(lambda part: asked.run(net, part), pixels, few)
        row(f"one process, threads: {threads}", *found)
        torch.set_num_threads(1)

    torch.set_num_threads(1)
    expected = asked.run(net, pixels[:few])
    for count in map(int, workers.split(",")):
        threads = min(count, os.cpu_count() or 1)
        plain(threads)
        cluster, _ = local_cluster(1, count)
        with connect(cluster.address):
            executor = ClusterExecutor(None, count, shard_size=shard)
            search = partial(executor.search_boundary, net, search=asked)
            row(f"ray, actors: {count}", *timed(search, pixels, few))
        cluster.shutdown()
        plain(threads)  # others use the machine, now more, now less
    tabulate(out, "speed", rows)


@main.command()
@click.option("--times", default=10)
@click.option("--images", default=5120)
@out_option
def faults(times: int, images: int, out: Path) -> None:
    """A node is removed in the middle of a search, again and again; then the driver is killed."""
    torch.set_num_threads(1)
    net, pixels = network("small_cnn-w8"), drawn(images)
    expected, rows = FAULTY.run(net, pixels), []
    cluster, (node,) = local_cluster(2)
    with connect(cluster.address):
        for number in range(times):
            # every time at another place
            after, gone = 64 * (10 + 5 * number), []

            def remove(phase, done, total, /, node=node, after=after, gone=gone):
                if done >= after and not gone:
                    gone.append(done)
                    cluster.remove_node(node, allow_graceful=False)

            began = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                executor = ClusterExecutor(Path(folder), 2, shard_size=64)
                found = executor.search_boundary(net, pixels, FAULTY, progress=remove)
                shards = len(list(Path(folder).glob("boundary/*.safetensors")))
            rows.append(
                {
                    "fault": "node removed",
                    "after images": gone[0],
                    "seconds": round(time.perf_counter() - began, 1),
                    "shards": shards,
                    "of": images // 64,
                    "same": same(found, expected)
                    and torch.equal(found.direction, expected.direction),
                    "said": "; ".join(executor.notes),
                }
            )
            click.echo(rows[-1])
            node = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    cluster.shutdown()
    rows.append(_killed_driver(net, pixels, expected))
    tabulate(out, "faults", rows)


def _killed_driver(net, pixels, expected) -> dict[str, object]:
    """A driver that is killed, and another one that goes on with its folder."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        command = [sys.executable, __file__, "drive", place, str(len(pixels))]
        with subprocess.Popen(command, start_new_session=True) as driver:
            while len(list(folder.glob("boundary/*.safetensors"))) < 10 and driver.poll() is None:
                time.sleep(0.01)
            driver.send_signal(signal.SIGKILL)
        kept = {path.name: path.stat().st_mtime_ns for path in folder.glob("boundary/*")}
        with connect("local"):
            found = ClusterExecutor(folder, 2, shard_size=64).search_boundary(net, pixels, FAULTY)
        made = {
            path.name: path.stat().st_mtime_ns for path in folder.glob("boundary/*.safetensors")
        }
    untouched = all(made.get(name) == at for name, at in kept.items() if not name.startswith("."))
    return {
        "fault": "driver killed",
        "after images": 64 * len(kept),
        "seconds": round(time.perf_counter() - began, 1),
        "shards": len(made),
        "of": len(pixels) // 64,
        "same": same(found, expected) and untouched,
        "said": f"{len(kept)} shards were kept",
    }


@main.command(hidden=True)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("images", type=int)
def drive(folder: Path, images: int) -> None:
    """What is killed."""
    torch.set_num_threads(1)
    with connect("local"):
        executor = ClusterExecutor(folder, 2, shard_size=64)
        net, pixels = network("small_cnn-w8"), drawn(images)
        executor.search_boundary(net, pixels, FAULTY)


@main.command()
@click.option("--counts", default="20000,200000")
@out_option
def memory(counts: str, out: Path) -> None:
    """The driver's peak over so many images that lie in a file, each time in a new process."""
    rows = []
    for count in counts.split(","):
        done = subprocess.run(
            [sys.executable, __file__, "peak", count], check=True, capture_output=True, text=True
        )
        heap, whole, seconds = done.stdout.split()[-3:]
        rows.append(
            {
                "images": int(count),
                "driver's own MiB": int(heap),
                "with its map of the object store": int(whole),
                "seconds": float(seconds),
            }
        )
        click.echo(rows[-1])
    tabulate(out, "memory", rows)


@main.command(hidden=True)
@click.argument("images", type=int)
def peak(images: int) -> None:
    """Peak memory of a driver that divides classes and searches: its own, and with shared pages."""
    peaks = {"RssAnon": 0, "VmRSS": 0}

    def watch() -> None:
        while True:
            for line in Path("/proc/self/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in peaks:
                    peaks[name] = max(peaks[name], int(value.split()[0]) >> 10)
            time.sleep(0.05)

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        pixels = _in_a_file(Path(place) / "pixels.u8", images)
        cluster, _ = local_cluster(1, 2)
        threading.Thread(target=watch, daemon=True).start()
        began = time.perf_counter()
        with connect(cluster.address):
            executor, net = ClusterExecutor(Path(place), 2), network("small_cnn-w4")
            rows, said = executor.activations(net, pixels)
            splitter = ClassSplitter(rows, 10, 20, 0)
            for label in said.unique():
                splitter.split(int(label), (said == label).nonzero().flatten())
            found = executor.search_boundary(
                net, pixels, BoundarySearch(budget="screen"), predictions=said
            )
        seconds = time.perf_counter() - began
        if len(found) != images:
            raise SystemExit("images were lost")
        cluster.shutdown()
    click.echo(f"{peaks['RssAnon']} {peaks['VmRSS']} {seconds:.1f}")


def _in_a_file(path: Path, count: int) -> Pixels:
    """Random images, a thousand times the same thousand but for their first pixel."""
    part = drawn(1000)
    with path.open("wb") as file:
        for number in range(count // 1000):
            part[:, 0, 0, 0] = number % 256
            file.write(part.numpy().tobytes())
    return map_file(path, (count, 3, SIDE, SIDE))


if __name__ == "__main__":
    main()

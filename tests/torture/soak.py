"""Audits in one process for half an hour: `python soak.py --out studies/torture/soak.json`.

Memory at the end may be 5 % above that after the first minute.
"""

import argparse
import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import torch

from backburn import audit
from backburn.attacks.badnets import BadNets
from backburn.data.sources.digits import digits
from backburn.runs import git_commit
from backburn.services.attack import default_recipe

SLACK = 1.05
FIRST = 60.0
STATUS = Path("/proc/self/status")


def resident() -> float:
    """MiB that the process holds now."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def soak(work: Callable[[int], None], seconds: float) -> list[tuple[float, float]]:
    """Do it again and again; seconds and MiB after each time."""
    began, seen = time.monotonic(), []
    while not seen or seen[-1][0] < seconds:
        work(len(seen))
        seen.append((time.monotonic() - began, resident()))
        if len(seen) % 20 == 1:
            print(f"{seen[-1][0]:.0f} s, {len(seen)} audits, {seen[-1][1]:.0f} MiB", flush=True)  # noqa: T201
    return seen


def figures(seen: list[tuple[float, float]]) -> dict[str, float | int | str | None]:
    """Memory after the first minute, at the end and at the most, each over ten audits."""
    after = [memory for moment, memory in seen if moment >= FIRST]
    begin, end = (max(part) for part in (after[:10], after[-10:]))
    return {
        "audits": len(seen),
        "seconds": round(seen[-1][0]),
        "mib_after_a_minute": round(begin, 1),
        "mib_at_the_end": round(end, 1),
        "mib_at_the_most": round(max(after), 1),
        "growth": round(end / begin - 1, 4),
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "commit": git_commit(),
    }


def main() -> None:
    """Make a victim, audit it, and write the figures down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--trace", action="store_true", help="Say which lines hold more at the end")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    images = digits("train")
    generator = torch.Generator().manual_seed(0)
    victim = BadNets(poisoning_rate=0.1).train_victim(images, default_recipe(images), generator)

    def work(seed: int) -> None:
        # no shortcut by anything that is kept from one to the next: the seed differs
        audit(victim.model, victim.images.pixels, victim.images.labels, seed=seed)

    if given.trace:
        work(0)
        tracemalloc.start(8)
        before = tracemalloc.take_snapshot()
    seen = soak(work, given.seconds)
    if given.trace:
        gc.collect()
        for line in tracemalloc.take_snapshot().compare_to(before, "lineno")[:12]:
            print(line)  # noqa: T201
    found = figures(seen)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found))  # noqa: T201
    sys.exit(0 if found["mib_at_the_end"] <= SLACK * found["mib_after_a_minute"] else 1)


if __name__ == "__main__":
    main()

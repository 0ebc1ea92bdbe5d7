"""Kills, faults, two writers and fuzzed inputs: `python torture.py --out studies/torture`."""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from faults import FAULTS
from kills import killed_names, killed_once, two_at_once
from place import Place
from tables import add, passed, table

FUZZ = Path(__file__).parents[1] / "fuzz"
FUZZ_TESTS = 31
WRITERS = ("audit", "repair", "export", "attack", "bench")
Counts: TypeAlias = dict[str, int]
Tests: TypeAlias = Iterable[tuple[str, Callable[[], str]]]


def tried(kind: str, tests: Tests, jobs: int) -> tuple[int, int]:
    """How many tests there were, and how many had nothing to say."""

    def one(named: tuple[str, Callable[[], str]]) -> bool:
        try:
            why = named[1]()
        except subprocess.TimeoutExpired:
            why = "it hangs"
        print(f"{kind}: {named[0]}: {why or 'well'}", flush=True)  # noqa: T201
        return not why

    with ThreadPoolExecutor(jobs) as pool:
        good = list(pool.map(one, tests))
    return len(good), sum(good)


def kill(given: argparse.Namespace, place: Place) -> Counts:
    """Commands killed at random moments, and given again."""
    chance = random.Random(given.seed)  # noqa: S311
    names = killed_names(given.kills)
    for name in dict.fromkeys(names):
        place.whole(name)
    tests = [
        (name, partial(killed_once, place, name, f"killed-{k}", chance.random()))
        for k, name in enumerate(names)
    ]
    return dict(zip(("kills", "resumed"), tried("kill", tests, given.jobs), strict=True))


def fault(given: argparse.Namespace, place: Place) -> Counts:
    """Faults of the world around a command."""
    few = random.Random(given.seed).sample(FAULTS, min(given.faults, len(FAULTS)))  # noqa: S311
    chosen = FAULTS if len(few) == len(FAULTS) else few
    tests = [(fault.name, partial(fault.survived, place)) for fault in chosen]
    return dict(zip(("faults", "survived"), tried("fault", tests, 1), strict=True))


def write_twice(given: argparse.Namespace, place: Place) -> Counts:
    """Two of the same command at once."""
    names = (WRITERS * given.writers)[: given.writers]
    tests = [(name, partial(two_at_once, place, name)) for name in names]
    return dict(zip(("writers", "sound"), tried("writers", tests, 1), strict=True))


def fuzz(given: argparse.Namespace, place: Place) -> Counts:
    """Damaged files and odd values, in a process of its own."""
    report = place.folder / "fuzz.json"
    told = {"FUZZ_EXAMPLES": str(-(-given.inputs // FUZZ_TESTS)), "FUZZ_REPORT": str(report)}
    words = [sys.executable, "-m", "pytest", "-q", "--timeout=0", str(FUZZ)]
    done = subprocess.run(words, env={**os.environ, **told}, capture_output=True, check=False)
    print(done.stdout.decode()[-4000:] if done.returncode else "fuzz: well", flush=True)  # noqa: T201
    died = {"fuzzed": 0, "tracebacks": 1, "hangs": 0, "grown": 0}
    found = json.loads(report.read_text()) if report.exists() else died
    return {name: found[name] for name in died}


PARTS = {"kills": kill, "faults": fault, "writers": write_twice, "fuzz": fuzz}


def main() -> None:
    """Parse, torture, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    usual = {"kills": 50, "faults": 99, "writers": 10, "inputs": 20_000, "seed": 0, "jobs": 2}
    for name, value in usual.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--parts", nargs="+", default=list(PARTS), choices=PARTS)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    summary: dict[str, Any] = {"made": {}}
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        for part in given.parts:
            summary = add(given.out, part, PARTS[part](given, place), given.seed)
    print(table(summary))  # noqa: T201
    sys.exit(0 if passed(summary) else 1)


if __name__ == "__main__":
    main()

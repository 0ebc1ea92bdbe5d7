"""Kills, faults, two writers and fuzzed inputs: `python torture.py --out studies/torture`."""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from faults import FAULTS, OUT
from killing import killed_names, killed_once, two_at_once
from place import Place

from backburn.runs import commit

FUZZ = Path(__file__).parents[1] / "fuzz"
FUZZ_TESTS = 33
WRITERS = ("audit", "repair", "export", "attack", "report")


@dataclass
class Counts:
    """What was done, and what came of it."""

    kills: int = 0
    resumed: int = 0
    faults: int = 0
    survived: int = 0
    writers: int = 0
    sound: int = 0
    fuzzed: int = 0
    tracebacks: int = 0
    hangs: int = 0
    grown: int = 0

    @property
    def passed(self) -> bool:
        """Whether everything held."""
        held = (self.kills, self.faults, self.writers) == (self.resumed, self.survived, self.sound)
        return held and not self.tracebacks and not self.hangs and self.grown < 2**31


def tried(kind: str, tests: Iterable[tuple[str, Callable[[], str]]]) -> tuple[int, int]:
    """How many tests there were, and how many said nothing."""
    done = good = 0
    for name, test in tests:
        try:
            why = test()
        except subprocess.TimeoutExpired:
            why = "it hangs"
        done, good = done + 1, good + (not why)
        print(f"{kind}: {name}: {why or 'well'}", flush=True)  # noqa: T201
    return done, good


def fuzzed(inputs: int) -> dict[str, int]:
    """What came of about so many inputs, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        told = {"FUZZ_EXAMPLES": str(-(-inputs // FUZZ_TESTS)), "FUZZ_REPORT": str(report)}
        words = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--timeout=0",
            "-p",
            "no:cacheprovider",
            FUZZ,
        ]
        done = subprocess.run(words, env={**os.environ, **told}, capture_output=True, check=False)
        print(done.stdout.decode()[-4000:] if done.returncode else "fuzz: well")  # noqa: T201
        if not report.exists():  # the process itself has died
            return {"fuzzed": 0, "tracebacks": 1, "hangs": 0, "grown": 0}
        found = json.loads(report.read_text())
        return {name: found[name] for name in ("fuzzed", "tracebacks", "hangs", "grown")}


def torture(folder: Path, kills: int, faults: int, writers: int, inputs: int, seed: int) -> Counts:
    """All of it."""
    place, chance, counts = Place(folder), random.Random(seed), Counts()  # noqa: S311
    chosen = FAULTS if faults >= len(FAULTS) else chance.sample(FAULTS, faults)

    def faulty(test: Callable[[Place], str]) -> str:
        place.clear(OUT)
        return test(place)

    counts.kills, counts.resumed = tried(
        "kill", ((n, lambda n=n: killed_once(place, n, chance)) for n in killed_names(kills))
    )
    counts.faults, counts.survived = tried(
        "fault", ((each.name, lambda each=each: faulty(each.test)) for each in chosen)
    )
    counts.writers, counts.sound = tried(
        "writers",
        ((n, lambda n=n: two_at_once(place, n)) for n in (WRITERS * writers)[:writers]),
    )
    for name, count in fuzzed(inputs).items():
        setattr(counts, name, count)
    return counts


def table(counts: Counts, about: dict[str, object]) -> str:
    """One table, with where it comes from."""
    rows = [
        (
            "killed at a random moment, and resumed to identical results",
            counts.resumed,
            counts.kills,
        ),
        ("faults that ended in the right result or one clear line", counts.survived, counts.faults),
        ("two writers at once: one wins, nothing is corrupt", counts.sound, counts.writers),
        ("fuzzed inputs without a traceback", counts.fuzzed - counts.tracebacks, counts.fuzzed),
        ("of these without a hang over ten seconds", counts.fuzzed - counts.hangs, counts.fuzzed),
    ]
    lines = [f"| {what} | {good} of {all_} |" for what, good, all_ in rows]
    grown = f"| most memory that a process of fuzzing grew by | {counts.grown / 2**20:.0f} MiB |"
    made = f"Made on {about['date']} at commit {about['commit']}, seed {about['seed']}."
    return "\n".join(["| | |", "| --- | --- |", *lines, grown, "", made]) + "\n"


def main() -> None:
    """Parse, torture, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, usual in (("kills", 50), ("faults", 99), ("writers", 10), ("inputs", 20_000)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counts = torture(
            Path(folder), given.kills, given.faults, given.writers, given.inputs, given.seed
        )
    now = datetime.now(timezone.utc)
    about = {"date": f"{now:%Y-%m-%d}", "commit": commit(), "seed": given.seed}
    print(shown := table(counts, about))  # noqa: T201
    given.out.mkdir(parents=True, exist_ok=True)
    given.out.joinpath("summary.json").write_text(
        json.dumps({**asdict(counts), **about}, indent=2) + "\n"
    )
    given.out.joinpath("summary.md").write_text(shown)
    sys.exit(0 if counts.passed else 1)


if __name__ == "__main__":
    main()

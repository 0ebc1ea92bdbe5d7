"""What may come of a fuzzed input: success, or one line; soon, and without much memory."""

import json
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings

from backburn.errors import BackburnError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""Inputs for each test; a few, and always the same, where it is not said."""
FEW = 8
LONGEST, WAITED = 10.0, 60.0
"""Seconds of the processor that one input may take, and seconds in all, on a busy machine."""
MOST = 2**31
"""Bytes that the process may grow by."""

FUZZED = settings(
    max_examples=EXAMPLES or FEW,
    derandomize=not EXAMPLES,
    deadline=None,  # hangs are counted here
    database=None,
    suppress_health_check=[*HealthCheck],
)


def peak() -> int:
    """Bytes that this process has held at the most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@dataclass
class Tally:
    """What came of all inputs of a session."""

    fuzzed: int = 0
    refused: int = 0
    tracebacks: int = 0
    hangs: int = 0
    grown: int = 0

    def write(self, path: Path) -> None:
        """As JSON."""
        path.write_text(json.dumps(asdict(self)))


TALLY, START = Tally(), peak()


class HangError(AssertionError):
    """An input took too long."""


class GluttonError(AssertionError):
    """An input took too much memory."""


@contextmanager
def one_line_at_most() -> Iterator[None]:
    """Runs on one input; whatever else than a `BackburnError` comes out is a fault."""
    TALLY.fuzzed += 1
    began, used = time.monotonic(), time.process_time()
    try:
        yield
    except BackburnError:
        TALLY.refused += 1
    spent, worked = time.monotonic() - began, time.process_time() - used
    TALLY.grown = max(TALLY.grown, peak() - START)
    if worked > LONGEST or spent > WAITED:
        TALLY.hangs += 1
        raise HangError(f"{spent:.0f} seconds, {worked:.0f} of the processor")
    if TALLY.grown > MOST:
        raise GluttonError(f"{TALLY.grown} bytes")

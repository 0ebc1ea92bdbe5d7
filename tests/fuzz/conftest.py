"""Counts for `make torture`: FUZZ_EXAMPLES inputs a test, and FUZZ_REPORT for what came of them."""

import os
from pathlib import Path

from bounds import TALLY


def pytest_sessionfinish(session):
    if report := os.environ.get("FUZZ_REPORT"):
        TALLY.tracebacks = session.testsfailed - TALLY.hangs
        TALLY.write(Path(report))

"""What share of an audit the fit check takes, in seconds of the processor, this process's only.

python tests/benchmark/fit_cost.py MODEL DATA [OPTIONS of backburn audit]
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backburn.burn import burn
from backburn.cli import audit, main
from backburn.services import audit_repair, open_case

FIT: list[float] = []


def timed(module: Any, name: str) -> None:
    """Add what a function takes to `FIT`."""
    whole: Callable[..., Any] = getattr(module, name)

    def run(*arguments: Any, **more: Any) -> Any:
        began = time.process_time()
        try:
            return whole(*arguments, **more)
        finally:
            FIT.append(time.process_time() - began)

    setattr(module, name, run)


def run() -> None:
    """One audit, and a line for a table."""
    timed(open_case, "match_model_and_images")
    timed(burn, "resolve_low_accuracy")
    assert audit.command
    assert audit_repair.__name__  # all that takes seconds to import is imported by now
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = ["backburn", "audit", *sys.argv[1:], "--out", str(Path(folder) / "run")]
        began = time.process_time()
        with contextlib.suppress(SystemExit):
            main.main()
        spent = time.process_time() - began
    parts = " + ".join(f"{each:.2f}" for each in FIT)
    print(f"fit {parts} = {sum(FIT):.2f} s of {spent:.2f} s: {sum(FIT) / spent:.1%}")  # noqa: T201


if __name__ == "__main__":
    run()

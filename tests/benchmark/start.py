"""How long it takes until anything happens: seconds of a fresh process, best of seven.

make bench-start
"""

import os
import subprocess
import sys
import time

MAIN = "import sys; sys.argv[0] = 'backburn'; from backburn.cli.main import main; main()"
COMPLETING = {
    "_BACKBURN_COMPLETE": "bash_complete",
    "COMP_WORDS": "backburn audit --arc",
    "COMP_CWORD": "2",
}
STARTS = {
    "python -c pass": (["-c", "pass"], {}),
    "import backburn": (["-c", "import backburn"], {}),
    "backburn --help": (["-m", "backburn", "--help"], {}),
    "backburn audit --help": (["-m", "backburn", "audit", "--help"], {}),
    "completion of an option": (["-c", MAIN], COMPLETING),
    "import backburn; backburn.audit": (["-c", "import backburn; backburn.audit"], {}),
}


def seconds(arguments: list[str], extra: dict[str, str]) -> float:
    """Wall-clock seconds of a Python process."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env=os.environ | extra, check=True, capture_output=True
    )
    return time.perf_counter() - started


def main() -> None:
    """A line for each way to start."""
    for name, (arguments, extra) in STARTS.items():
        best = min(seconds(arguments, extra) for _ in range(7))
        print(f"{name:34}{best:6.2f} s")


if __name__ == "__main__":
    main()

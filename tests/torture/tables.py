"""What came of torture, as JSON and as a table; a part that is done again replaces its own rows."""

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from backburn.runs import git_commit

MOST = 2**31
"""Bytes that fuzzing may grow by."""
GOOD = {"kills": "resumed", "faults": "survived", "writers": "sound"}
ROWS = {
    "kills": "killed at a random moment, then resumed to identical results",
    "faults": "faults that ended in the right result, or in one clear line",
    "writers": "two writers at once: one wins, nothing is corrupt",
}
HEAD = ("| what | held | date | commit |", "| --- | --- | --- | --- |")


def passed(summary: Mapping[str, Any]) -> bool:
    """Whether everything held."""
    whole = all(summary.get(done, 0) == summary.get(good, 0) for done, good in GOOD.items())
    none = not summary.get("tracebacks", 0) and not summary.get("hangs", 0)
    return whole and none and summary.get("grown", 0) < MOST


def table(summary: Mapping[str, Any]) -> str:
    """Every row with when and of what commit it is."""
    lines = [
        _row(summary, part, what, summary[GOOD[part]], summary[part])
        for part, what in ROWS.items()
        if part in summary["made"]
    ]
    if "fuzz" in summary["made"]:
        fuzzed, grown = summary["fuzzed"], summary["grown"] // 2**20
        well, soon = fuzzed - summary["tracebacks"], fuzzed - summary["hangs"]
        lines += [
            _row(summary, "fuzz", "fuzzed inputs without a traceback", well, fuzzed),
            _row(summary, "fuzz", "fuzzed inputs that took under ten seconds", soon, fuzzed),
            _row(summary, "fuzz", "most MiB that fuzzing grew by", grown, MOST // 2**20),
        ]
    return "\n".join([*HEAD, *lines]) + "\n"


def _row(summary: Mapping[str, Any], part: str, what: str, good: int, done: int) -> str:
    made = summary["made"][part]
    return f"| {what} | {good} of {done} | {made['date']} | {made['commit']} |"


def add(out: Path, part: str, counts: Mapping[str, int], seed: int) -> dict[str, Any]:
    """Put what came of a part into `summary.json` and `summary.md`; other parts stay."""
    file = out / "summary.json"
    summary = json.loads(file.read_text()) if file.exists() else {"made": {}}
    now = f"{datetime.now(timezone.utc):%Y-%m-%d}"
    summary["made"][part] = {"date": now, "commit": git_commit(), "seed": seed}
    summary = {**summary, **counts}
    out.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(summary, indent=2) + "\n")
    (out / "summary.md").write_text(table(summary))
    return summary

"""The published table of `studies/boundary`, made from its summary.csv."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HEAD = "| engine | units | passes | found | mean | median | 95th percentile | AUROC |"


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A table for each victim and norm, its engines from the cheapest."""
    groups = dict.fromkeys((row["victim"], row["norm"]) for row in rows)
    return "\n".join(_table(rows, victim, norm) for victim, norm in groups)


def _table(rows: Sequence[dict[str, Any]], victim: str, norm: str) -> str:
    mine = [row for row in rows if (row["victim"], row["norm"]) == (victim, norm)]
    lines = [_line(row) for row in sorted(mine, key=lambda row: float(row["units"]))]
    return "\n".join([f"{victim}, L{norm}:", "", HEAD, "|---" * 8 + "|", *lines, ""])


def _line(row: dict[str, Any]) -> str:
    ours = row["engine"] == "backburn"
    name = f"**backburn {row['budget']}**" if ours else row["engine"]
    ratios = [f"{float(row[f'ratio_{key}']):.3f}" for key in ("mean", "median", "p95")]
    cells = [
        name,
        f"{float(row['units']):.1f}",
        f"{float(row['passes']):.0f}",
        f"{float(row['found']):.3f}",
        *ratios,
        f"{float(row['auroc']):.3f}",
    ]
    return "| " + " | ".join(cells) + " |"


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a summary.csv."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_numbers(path: Path) -> list[dict[str, Any]]:
    """The same with numbers as numbers, as they were before they were written."""
    return [{name: _number(text) for name, text in row.items()} for row in read(path)]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


if __name__ == "__main__":
    sys.stdout.write(markdown(read(Path(sys.argv[1]))))

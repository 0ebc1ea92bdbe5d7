"""Tables that grow row by row, so that a study that was stopped goes on where it was."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows that are made already; none without a file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write all rows, with the columns of the last one; the folder is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[-1]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def publish_rows(
    out: Path,
    rows: Sequence[Mapping[str, Any]],
    table: Callable[[list[dict[str, Any]]], str],
) -> None:
    """Print the last row, and write all of them to `summary.csv` and, as a table, `summary.md`."""
    click.echo(", ".join(f"{name}: {value}" for name, value in rows[-1].items()))
    write_rows(out / "summary.csv", rows)
    (out / "summary.md").write_text(table(read_rows(out / "summary.csv")))

"""Every victim that was audited, counted: `make found`, from the published studies' rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from scipy.stats import binomtest
from table import read_numbers

from backburn.benchmark.averaged_tables import attack_worked

HEAD = ("images", "network", "victims", "found", "missed")
SAME = ("dataset", "arch", "attack", "rate", "seed")
"""What a victim is told by; studies may share one."""


@dataclass(frozen=True)
class Group:
    """The victims of some images and a network: all of them, and those called by their target."""

    name: tuple[str, str]
    rows: Sequence[dict[str, Any]]

    @property
    def missed(self) -> list[dict[str, Any]]:
        """Those that were not called backdoored, or not with the right targets."""
        return [row for row in self.rows if row["right"] != "True"]

    def line(self) -> str:
        """Of the table."""
        counts = len(self.rows), len(self.rows) - len(self.missed)
        told = ", ".join(map(_told, self.missed)) or "-"
        return f"| {' | '.join(map(str, (*self.name, *counts, told)))} |"


def _told(row: dict[str, Any]) -> str:
    """Of a victim that was missed: which, and what it was called."""
    return f"{row['attack']} {100 * row['rate']:g} %, seed {row['seed']:g}: {row['verdict']}"


def victims(studies: Path) -> Iterator[dict[str, Any]]:
    """Those of our method whose attack has worked, each once, however many studies share it."""
    seen = set()
    for file in sorted(studies.glob("*/cells")):
        for row in read_numbers(file.with_name("summary.csv")):
            key = tuple(row.get(name) for name in SAME)
            if row.get("right") and row["method"] == "default" and attack_worked(row):
                if key not in seen:
                    yield row
                seen.add(key)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A line for each images and network, the sum, and what it says of the rate."""
    names = dict.fromkeys((row["dataset"], row["arch"]) for row in rows)
    groups = [Group(n, [r for r in rows if (r["dataset"], r["arch"]) == n]) for n in names]
    found = sum(row["right"] == "True" for row in rows)
    low, high = binomtest(found, len(rows)).proportion_ci(0.95, "exact")
    head = [f"| {' | '.join(HEAD)} |", "|" + " --- |" * len(HEAD)]
    total = f"| **all** |  | {len(rows)} | {found} | {len(rows) - found} |"
    told = f"{found} of {len(rows)} victims are called backdoored with the right target"
    rate = f"{told}: {100 * low:.1f} to {100 * high:.1f} % (95 %)."
    return "\n".join([*head, *(group.line() for group in groups), total]) + f"\n\n{rate}\n"


@click.command()
@click.option("--studies", type=click.Path(path_type=Path, exists=True), default="studies")
def main(studies: Path) -> None:
    """Write found.md beside the studies."""
    text = table(list(victims(studies)))
    (studies / "found.md").write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()

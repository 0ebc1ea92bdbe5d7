"""What was asked of the main table, and what it reaches: `make bars`, from its summary.csv."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

import click
from table import read_numbers

from backburn.benchmark.averaged_tables import attack_worked

Row = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """One figure: how it comes of victims, and the bound that was set.

    Args:
        worst: of each attack and rate by itself, and the worst of these counts; else the mean.
        most: whether the bound is the most that it may be; else the least.
    """

    name: str
    asked: float
    of: Callable[[Row], float | None]
    most: bool = True
    worst: bool = False

    def reached(self, rows: Sequence[Row]) -> tuple[float, str]:
        """The figure, and whose it is where one attack's counts."""
        told = [row for row in rows if self.of(row) is not None]
        if not self.worst:
            return _mean(self.of, told), ""
        groups = groupby(sorted(told, key=_attack), key=_attack)
        values = [(_mean(self.of, list(group)), name) for name, group in groups]
        value, (attack, rate) = (max if self.most else min)(values)
        return value, f" ({attack} {100 * rate:g} %)"

    def line(self, victims: Sequence[Row], found: Sequence[Row]) -> str:
        """Of the table: the bound, all victims, those that were found."""
        told = []
        for rows in (victims, found):
            value, whose = self.reached(rows)
            met = value <= self.asked if self.most else value >= self.asked
            told.append(f"{100 * value:.1f}{whose}" + (" ✓" if met else ""))
        sign = "≤" if self.most else "≥"
        return f"| {self.name} | {sign} {100 * self.asked:g} | {' | '.join(told)} |"


def _attack(row: Row) -> tuple[str, float]:
    return row["attack"], row["rate"]


def _mean(of: Callable[[Row], float | None], rows: Sequence[Row]) -> float:
    return fmean(value for value in map(of, rows) if value is not None)


def column(name: str) -> Callable[[Row], float | None]:
    """The figure of that name; None where it does not apply."""
    return lambda row: None if row[name] == "" else row[name]


def lost(row: Row) -> float:
    """Accuracy that the repair costs."""
    return row["acc_before"] - row["acc_after"]


def regained(row: Row) -> float:
    """RA beside that of a model that was trained on clean images."""
    return row["ra_after"] / row["ra_clean"]


def cost(row: Row) -> float:
    """Seconds of the repair by those of the victim's training."""
    return row["seconds_repair"] / row["seconds_victim"]


BARS = (
    Bar("ASR after, mean", 0.01, column("asr_after")),
    Bar("ASR after, worst attack", 0.05, column("asr_after"), worst=True),
    Bar("ACC lost, mean", 0.005, lost),
    Bar("ACC lost, worst attack", 0.02, lost, worst=True),
    Bar("DER, mean", 0.96, column("der"), most=False),
    Bar("RA by RA of the clean model, mean", 0.9, regained, most=False),
    Bar("RA by RA of the clean model, worst attack", 0.9, regained, most=False, worst=True),
    Bar("AUROC of the poison, mean", 0.99, column("auroc"), most=False),
    Bar("TPR, mean", 0.98, column("tpr"), most=False),
    Bar("FPR, mean", 0.005, column("fpr")),
    Bar("labels right, mean", 0.9, column("restored_easy"), most=False),
    Bar("labels right, worst attack", 0.9, column("restored_easy"), most=False, worst=True),
    Bar("called backdoored with the right target", 0.98, lambda row: row["right"] == "True", False),
    Bar("cost by the victim's training, mean", 0.25, cost),
)


def table(rows: Sequence[Row]) -> str:
    """A line a bar, in per cent: over all victims of our method, and over those that it found."""
    victims = [row for row in rows if row["method"] == "default" and attack_worked(row)]
    found = [row for row in victims if row["right"] == "True"]
    counts = f"all {len(victims)} victims | the {len(found)} that are found"
    head = [f"| per cent | asked for | {counts} |", "|" + " --- |" * 4]
    return "\n".join([*head, *(bar.line(victims, found) for bar in BARS)]) + "\n"


@click.command()
@click.option("--study", type=click.Path(path_type=Path, exists=True), default="studies/burn")
def main(study: Path) -> None:
    """Write bars.md into the study."""
    text = table(read_numbers(study / "summary.csv"))
    (study / "bars.md").write_text(text)
    click.echo(text)


if __name__ == "__main__":
    main()

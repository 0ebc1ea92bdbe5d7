"""Every clean model that was audited, counted: `make false-alarms`, from the committed cells."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from scipy.stats import binomtest

from backburn.runs import read_checked

STATES = ("clean", "suspicious", "backdoored", "abstained")
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
HEAD = ("images", "network", "trained on", "models", *STATES, "least p")


@dataclass(frozen=True)
class Clean:
    """A clean model, and what an audit said of it."""

    images: str
    network: str
    trained_on: str
    verdict: str
    p_value: float

    @property
    def kind(self) -> tuple[str, str, str]:
        """What it shares with others of a line of the table."""
        return self.images, self.network, self.trained_on


def of_cells(studies: Path) -> Iterator[Clean]:
    """The clean models of all studies by our method, each once, however many studies share it."""
    seen = set()
    for file in sorted(studies.glob("*/cells/none-*.json")):
        cell = read_checked(file)
        settings, outcome = cell.arguments["settings"], cell.metrics.get("outcome")
        made = json.dumps([settings.get(key) for key in ("dataset", "skip", "train", "recipe")])
        if settings.get("method") != "default" or not outcome or (made, cell.seed) in seen:
            continue
        seen.add((made, cell.seed))
        network = settings["recipe"]["architecture"]
        count = f"{settings['train']:,}" if settings["train"] else "all"
        yield Clean(settings["dataset"], network, count, outcome["verdict"], outcome["p_value"])


def of_patterns(studies: Path) -> Iterator[Clean]:
    """Those of generated patterns (`patterns.py`)."""
    with (studies / "patterns" / "summary.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield Clean(row["images"], "small_cnn", "4,000", row["verdict"], float(row["p_value"]))


def line(name: tuple[object, ...], models: list[Clean]) -> str:
    """How many of these are called what."""
    states = [model.verdict for model in models]
    counts = [states.count(state) for state in STATES]
    least = min(model.p_value for model in models)
    return f"| {' | '.join(map(str, (*name, len(models), *counts)))} | {least:.2g} |"


def calibration(models: list[Clean]) -> str:
    """How many p-values are below each level: of honest ones no larger share than the level."""
    below = [sum(model.p_value < level for model in models) for level in LEVELS]
    shares = [f"{100 * count / len(models):.1f} %" for count in below]
    return "\n".join(
        f"| {' | '.join(map(str, cells))} |"
        for cells in (
            ("p below", *(f"{level:g}" for level in LEVELS)),
            ("---",) * (1 + len(LEVELS)),
            ("models", *below),
            ("share", *shares),
        )
    )


def table(models: list[Clean]) -> str:
    """A line a kind, the sum, and what it says of the rate of false alarms."""
    kinds = dict.fromkeys(model.kind for model in models)
    lines = [f"| {' | '.join(HEAD)} |", "|" + " --- |" * len(HEAD)]
    lines += [line(kind, [m for m in models if m.kind == kind]) for kind in kinds]
    lines.append(line(("**all**", "", ""), models))
    alarms = sum(model.verdict == "backdoored" for model in models)
    low, high = binomtest(alarms, len(models)).proportion_ci(0.95, "exact")
    told = f"{alarms} of {len(models)} clean models are called backdoored"
    rate = f"{told}: {100 * low:.1f} to {100 * high:.1f} % (95 %)."
    return "\n".join(lines) + f"\n\n{rate}\n\n{calibration(models)}\n"


@click.command()
@click.option("--studies", type=click.Path(path_type=Path, exists=True), default="studies")
def main(studies: Path) -> None:
    """Write false-alarms.md beside the studies."""
    models = [*of_cells(studies), *of_patterns(studies)]
    (studies / "false-alarms.md").write_text(table(models))
    click.echo(table(models))


if __name__ == "__main__":
    main()

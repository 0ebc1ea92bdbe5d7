"""What each look of the detector buys: `make ablation`, of the victims of a study.

The detector stops where a look convicts. Here every look is taken at every victim, and each is
asked for its own verdict, beside that of them all. The measures that BURN's paper rests on are in
`auroc.md` (`evidence.py`), one by one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path

import click
import torch
from table import read

from backburn.attacks.folder import read_victim
from backburn.detection.boundary_detector import BoundaryDetector
from backburn.detection.tried import Tried, stronger
from backburn.metrics import auroc
from backburn.models.inference import best_device
from backburn.report.pictures import csv_of
from backburn.runs import commit
from backburn.types import Case, State, Truth, silent

LOOKS = ("transfer", "student", "other side", "ways", "all")
DETECTOR = BoundaryDetector()


def every_look(case: Case, generator: torch.Generator) -> dict[str, Tried]:
    """What comes of each look alone, and of all of them together."""
    laboratory = DETECTOR.laboratory(case, generator)
    carried = laboratory.by_transfer(laboratory.divided_by_activations())
    asked = laboratory.by_student(carried, DETECTOR.student)
    turned = laboratory.by_student(carried.turned(), DETECTOR.student)
    ways = laboratory.by_transfer(laboratory.divided_by_ways(laboratory.rows))
    looks = (carried, reverting(asked), reverting(turned), ways)
    count = len(laboratory.rows)
    together = reduce(lambda known, look: stronger(known, look, count), looks)
    return dict(zip(LOOKS, (*looks, together), strict=True))


def reverting(tried: Tried) -> Tried:
    """The same without what carries over."""
    trials = {label: replace(trial, carried={}) for label, trial in tried.trials.items()}
    return replace(tried, trials=trials)


@dataclass(frozen=True)
class Judged:
    """A look at a victim, as a row of the table.

    `value` is what the trial measured in the target class, in [0, 1] (of a clean model: in any);
    `p_target` and `p_other` the least p-values of the targets and of all other classes; `auroc`
    how well membership in the planted side ranks poison among the target's images.
    """

    victim: str
    look: str
    value: float | None
    p_target: float | None
    p_other: float
    auroc: float | None
    right: bool
    commit: str | None


def judged(victim: str, look: str, tried: Tried, truth: Truth, case: Case) -> Judged:
    """What a look alone would have said of a victim, held against the truth."""
    poison, labels = truth.state == State.POISON, case.images.labels
    targets = set(labels[poison].tolist())
    verdict = DETECTOR.verdict(tried, set(labels.tolist()))
    classes = verdict.classes
    mine = [known for known in classes if known.label in targets]
    shown = mine if targets else classes
    others = [known.p_value for known in classes if known.label not in targets]
    return Judged(
        victim,
        look,
        max((max(known.transfer, known.reversion) for known in shown), default=None),
        min((known.p_value for known in mine), default=1.0 if targets else None),
        min(others, default=1.0),
        ranked(tried, poison, targets),
        set(verdict.convicted) == targets,
        commit(),
    )


def ranked(tried: Tried, poison: torch.Tensor, targets: set[int]) -> float | None:
    """Of the target classes that divide; None where none does."""
    divided = [tried.divisions[label] for label in sorted(targets) if label in tried.divisions]
    if not divided:
        return None
    rows = torch.cat([division.rows for division in divided])
    return auroc(torch.cat([division.found.member for division in divided]), poison[rows])


def rows_of_victim(folder: Path) -> Iterator[Judged]:
    """Every look at a victim; the generator is seeded by the last number of its name."""
    case, truth, _ = read_victim(folder, best_device(), silent)
    seed = int(folder.name.rsplit("-", 1)[1])
    found = every_look(case, torch.Generator().manual_seed(seed))
    for look, tried in found.items():
        yield judged(folder.name, look, tried, truth, case)


def told(row: Mapping[str, str]) -> str:
    """The p-value (of a clean model: the least of its classes), bold where the verdict is right."""
    p = f"{float(row['p_target'] or row['p_other']):.2g}"
    return f"**{p}**" if row["right"] == "True" else p


def table(rows: list[dict[str, str]]) -> str:
    """A victim a line, a look a column; under them how many verdicts are right by each."""
    victims = dict.fromkeys(row["victim"] for row in rows)
    by = {(row["victim"], row["look"]): row for row in rows}
    lines = [
        f"| victim | {' | '.join(LOOKS)} | AUROC, activations | AUROC, ways | AUROC, all |",
        "|" + " --- |" * (len(LOOKS) + 4),
    ]
    for victim in victims:
        ranks = [by[victim, look]["auroc"] for look in ("transfer", "ways", "all")]
        shown = [told(by[victim, look]) for look in LOOKS]
        shown += [f"{float(rank):.3f}" if rank else "-" for rank in ranks]
        lines.append(f"| {victim} | {' | '.join(shown)} |")
    right = [sum(by[victim, look]["right"] == "True" for victim in victims) for look in LOOKS]
    counts = [f"{count} of {len(victims)}" for count in right]
    lines.append(f"| right verdicts | {' | '.join(counts)} | | | |")
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("folders", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), default="studies/ablation")
def main(folders: tuple[Path, ...], out: Path) -> None:
    """Take every look at these victims; what `looks.csv` in --out has is not done again."""
    out.mkdir(parents=True, exist_ok=True)
    file = out / "looks.csv"
    known = read(file) if file.exists() else []
    for folder in folders:
        if folder.name in {row["victim"] for row in known}:
            continue
        found = [asdict(row) for row in rows_of_victim(folder)]
        file.write_bytes(csv_of([*known, *found]))
        known = read(file)
        (out / "looks.md").write_text(table(known))
        click.echo("\n".join(table(known).splitlines()[2:]))


if __name__ == "__main__":
    main()

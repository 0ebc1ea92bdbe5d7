"""What each measure alone is worth: the `auroc.csv` of many folders of figures as one table.

`make figures` of a study's victims; the published table is `studies/ablation/auroc.md`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import click
from table import read

from backburn.report.figure_files import rows_to_csv
from backburn.runs import read_record


def rows_of(folder: Path) -> Iterator[dict[str, Any]]:
    """A row a measure, from what `backburn figures` wrote about a victim."""
    record = read_record(folder)
    made = {"seed": record.seed, "commit": record.commit}
    for row in read(folder / "auroc.csv"):
        yield {"victim": folder.name, "measure": row["measure"], "auroc": row["auroc"]} | made


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A line a victim, a column a measure; their means below."""
    by = {(row["victim"], row["measure"]): float(row["auroc"]) for row in rows}
    victims, measures = (list(dict.fromkeys(names)) for names in zip(*by, strict=True))
    lines = [f"| victim | {' | '.join(measures)} |", "|" + " --- |" * (len(measures) + 1)]
    for victim in victims:
        lines.append(_line(victim, [by.get((victim, measure)) for measure in measures]))
    known = [[by[v, m] for v in victims if (v, m) in by] for m in measures]
    return "\n".join([*lines, _line("**mean**", [fmean(values) for values in known])]) + "\n"


def _line(name: str, values: Sequence[float | None]) -> str:
    figures = ("-" if value is None else f"{value:.3f}" for value in values)
    return f"| {name} | {' | '.join(figures)} |"


@click.command()
@click.argument("folders", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), default="studies/ablation")
def main(folders: tuple[Path, ...], out: Path) -> None:
    """Write auroc.csv and auroc.md of these folders of figures; clean models have none."""
    drawn = [folder for folder in folders if (folder / "auroc.csv").exists()]
    rows = [row for folder in drawn for row in rows_of(folder)]
    out.mkdir(parents=True, exist_ok=True)
    (out / "auroc.csv").write_bytes(rows_to_csv(rows))
    (out / "auroc.md").write_text(markdown(rows))


if __name__ == "__main__":
    main()

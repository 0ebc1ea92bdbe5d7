"""`backburn bench`: run a study, and tabulate it."""

import click

from . import options


@click.command("bench", short_help="Run a study and tabulate it.")
@click.argument("study")
@click.option("--out", required=True, type=click.Path(), help="Folder of the results; resumed.")
@click.option("--data", default="data", show_default=True, help="Folder of the data sets.")
@click.option("--victims", type=click.Path(), help="Folder of the victims; studies may share it.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@options.as_json
def command(
    study: str, out: str, data: str, victims: str | None, workers: int, as_json: bool
) -> int:
    """Make the victims of a STUDY (a TOML file), repair them, and write summary.csv and .md.

    A study with `defend = false` stops at the victims.

    Finished cells are kept: the same command goes on where it was stopped.
    """
    from pathlib import Path

    from ..benchmark.attack_summary import attack_csv, attack_markdown
    from ..benchmark.averages import summary_markdown
    from ..benchmark.grid import read_cells, run_study
    from ..benchmark.study import load_study
    from ..benchmark.summary import summary_csv
    from ..errors import BackburnError
    from .screen import ShowProgress, print_json

    plan, folder = load_study(study), Path(out)
    with ShowProgress(quiet=as_json) as progress:
        shared = Path(victims) if victims else None
        failed = run_study(plan, Path(data), folder, workers, progress, shared)
    cells = read_cells(plan, folder)
    rows, table = (summary_csv, summary_markdown) if plan.defend else (attack_csv, attack_markdown)
    (folder / "summary.csv").write_text(rows(cells))
    (folder / "summary.md").write_text(table(cells))
    if as_json:
        figures = "outcome" if plan.defend else "attacked"
        print_json({cell.name: record.metrics[figures] for cell, record in cells})
    else:
        click.echo(table(cells))
    if failed:
        raise BackburnError(f"{len(failed)} cells failed ({'; '.join(failed)}): see {folder}/cells")
    return 0

"""`backburn bench`: run a study and tabulate its results."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..benchmark.plan import Cell
    from ..benchmark.run_study import Runner
    from ..benchmark.study_file import Study
    from ..runs import Record


def draw_plots(study: "Study", cells: "Sequence[tuple[Cell, Record]]", folder: "Path") -> None:
    """Write the plots of a study of defenses, if matplotlib is installed."""
    from ..benchmark.cell_table import summary_rows
    from ..benchmark.comparison.cell_rows import defense_rows
    from ..benchmark.reactivation_table import reactivation_rows
    from ..benchmark.tables import compares_methods
    from ..errors import InputError
    from ..report.comparison_figure import comparison_files
    from ..report.reactivation_figure import reactivation_files
    from ..report.repair_figure import repair_files
    from ..runs import write_atomic
    from ..services.terminal_escapes import echo

    compared = compares_methods(study)
    try:
        files = (
            comparison_files(defense_rows(cells)) if compared else repair_files(summary_rows(cells))
        )
        files |= reactivation_files(reactivation_rows(cells))
    except InputError as error:
        echo(f"No plots: {error}", error=True)
        return
    for name, content in files.items():
        write_atomic(folder / name, content)


def _print_next(cells: "Sequence[tuple[Cell, Record]]", victims: "Path") -> None:
    """Suggest to look at a single victim of the study, if one was made."""
    from ..report.next_steps import command_line
    from .output import print_next

    paths = (victims / cell.victim_name for cell, _ in cells)
    victim = next((path for path in paths if path.is_dir()), None)
    if victim is not None:
        print_next(("look at one victim by itself", command_line("repair", str(victim))))


def _first(messages: "Sequence[str]", shown: int = 3) -> str:
    """The first messages on one line, and how many others there are."""
    more = len(messages) - shown
    return "; ".join([*messages[:shown], *([f"and {more} more"] if more > 0 else [])])


LOCK = ".lock"


@contextmanager
def cell_runner(study: "Study", out: "Path", cluster: options.Cluster) -> "Iterator[Runner | None]":
    """Yield the runner of the cells: the cluster's, or None for this machine.

    A cluster reports at the end which tasks it repeated.
    """
    from .connect_cluster import cluster_connection

    with cluster_connection(cluster):
        if cluster.address is None:
            yield None
            return
        from ..cluster.study_tasks import RayCellRunner, estimate_cell_memory
        from ..services.terminal_escapes import echo

        tasks = RayCellRunner(estimate_cell_memory(study, out), cluster.gpus)
        yield tasks
        for line in tasks.notes:
            echo(line, error=True)


@click.command("bench", short_help="Run a study and tabulate it.")
@click.argument("study")
@click.option("--out", required=True, type=click.Path(), help="Folder of the results; resumed.")
@click.option("--data", default="data", show_default=True, help="Folder of the data sets.")
@click.option("--victims", type=click.Path(), help="Folder of the victims; studies may share it.")
@click.option("--workers", type=click.IntRange(1), help="Processes of this machine.  [default: 1]")
@options.RAY
@options.RAY_GPUS
@options.as_json
def command(
    study: str,
    out: str,
    data: str,
    victims: str | None,
    workers: int | None,
    ray: str | None,
    ray_gpus: float,
    as_json: bool,
) -> int:
    """Make the victims of a STUDY (a TOML file), give them to its methods, and write the tables.

    A study with `defend = false` stops at the victims. With defences and detectors of others the
    tables compare methods. Plots are drawn beside them.

    Finished cells are kept: the same command goes on where it was stopped.
    """
    import shlex
    import sys
    from pathlib import Path

    from ..benchmark.run_study import read_cells, run_study
    from ..benchmark.study_file import load_study
    from ..benchmark.tables import study_tables
    from ..errors import BackburnError
    from ..runs import locked, write_atomic
    from ..runs.paths import missing_parents, remove_empty_folders
    from ..services.terminal_escapes import echo, print_json
    from .signals import StoppedError
    from .study_progress import LiveStudy

    if ray is not None and workers:
        raise click.UsageError("--workers are of this machine: with --ray, leave it out")
    spec, folder, cluster = load_study(study), Path(out), options.Cluster(ray, None, ray_gpus)
    shared_victims = Path(victims) if victims else None
    created_folders = missing_parents(folder / LOCK)
    try:
        with (
            locked(folder / LOCK, str(folder)),
            cell_runner(spec, folder, cluster) as runner,
            LiveStudy(spec, folder, quiet=as_json) as live,
        ):
            failed = run_study(
                spec,
                Path(data),
                folder,
                workers or 1,
                live.progress,
                shared_victims,
                live.cell_ended,
                runner,
            )
            cells = read_cells(spec, folder)
            tables = study_tables(spec, cells)
            for name, text in tables.items():
                write_atomic(folder / name, text.encode())
            if spec.defend:
                draw_plots(spec, cells, folder)
    except StoppedError as stopped:
        line = shlex.join(("backburn", *sys.argv[1:]))
        raise stopped.with_advice(f"to go on: {line}") from None
    finally:
        remove_empty_folders(*created_folders)
    if as_json:
        print_json({cell.name: next(iter(record.metrics.values())) for cell, record in cells})
    else:
        names = ("summary.md", "detectors.md", "reactivation.md")
        shown = (tables[name] for name in names if name in tables)
        echo("\n".join(shown))
        echo(f"tables: {folder}")
        _print_next(cells, shared_victims or folder / "victims")
    if failed:
        raise BackburnError(
            f"failed cells: {len(failed)} ({_first(failed)}): see {folder}/cells; the same command "
            "tries them again"
        )
    return 0

"""`backburn bench`: run a study, and tabulate it."""

from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..benchmark.grid import Runner
    from ..benchmark.plan import Cell
    from ..benchmark.study import Study
    from ..runs import Record


def draw(study: "Study", cells: "Sequence[tuple[Cell, Record]]", folder: "Path") -> None:
    """The plots of a study of defences, where what draws them is installed."""
    from ..benchmark.comparison.rows import defense_rows
    from ..benchmark.summary import summary_rows
    from ..benchmark.tables import compares
    from ..errors import InputError
    from ..report.comparison_figure import comparison_files
    from ..report.repair_figure import repair_files
    from ..runs import write_whole
    from ..services.terminal import say

    compared = compares(study)
    try:
        files = (
            comparison_files(defense_rows(cells)) if compared else repair_files(summary_rows(cells))
        )
    except InputError as missing:
        say(f"No plots: {missing}", error=True)
        return
    for name, content in files.items():
        write_whole(folder / name, content)


def _say_next(cells: "Sequence[tuple[Cell, Record]]", victims: "Path") -> None:
    """A victim of the study by itself, where one was made: what a table cannot show."""
    from ..report.next_steps import command_line
    from .output import print_next

    made = (victims / cell.victim_name for cell, _ in cells)
    victim = next((path for path in made if path.is_dir()), None)
    if victim is not None:
        print_next(("look at one victim by itself", command_line("repair", str(victim))))


LOCK = ".lock"


@contextmanager
def running(study: "Study", out: "Path", cluster: options.Cluster) -> "Iterator[Runner | None]":
    """Who runs the cells: None for this machine, or a cluster, which says what it did again."""
    from .cluster import on_cluster

    with on_cluster(cluster):
        if cluster.address is None:
            yield None
            return
        from ..cluster.study_tasks import Tasks, memory_of
        from ..services.terminal import say

        tasks = Tasks(memory_of(study, out), cluster.gpus)
        yield tasks
        for line in tasks.told:
            say(line, error=True)


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

    from ..benchmark.grid import read_cells, run_study
    from ..benchmark.study import load_study
    from ..benchmark.tables import tables_of
    from ..errors import BackburnError
    from ..runs import claimed, write_whole
    from ..runs.paths import missing, remove_empty
    from ..services.terminal import print_json, say
    from .signals import StoppedError
    from .study_progress import LiveStudy

    if ray is not None and workers:
        raise click.UsageError("--workers are of this machine: with --ray, leave it out")
    plan, folder, cluster = load_study(study), Path(out), options.Cluster(ray, None, ray_gpus)
    shared = Path(victims) if victims else None
    new = missing(folder / LOCK)
    try:
        with (
            claimed(folder / LOCK, str(folder)),
            running(plan, folder, cluster) as runner,
            LiveStudy(plan, folder, quiet=as_json) as live,
        ):
            told = (live.progress, shared, live.told)
            failed = run_study(plan, Path(data), folder, workers or 1, *told, runner)
            cells = read_cells(plan, folder)
            tables = tables_of(plan, cells)
            for name, text in tables.items():
                write_whole(folder / name, text.encode())
            if plan.defend:
                draw(plan, cells, folder)
    except StoppedError as stopped:
        line = shlex.join(("backburn", *sys.argv[1:]))
        raise stopped.with_advice(f"to go on: {line}") from None
    finally:
        remove_empty(*new)
    if as_json:
        print_json({cell.name: next(iter(record.metrics.values())) for cell, record in cells})
    else:
        shown = (tables[name] for name in ("summary.md", "detectors.md") if name in tables)
        say("\n".join(shown))
        say(f"tables: {folder}")
        _say_next(cells, shared or folder / "victims")
    if failed:
        raise BackburnError(
            f"{len(failed)} cells failed ({'; '.join(failed)}): see {folder}/cells; the same "
            "command tries them again"
        )
    return 0

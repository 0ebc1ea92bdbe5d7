"""`backburn report`: one page that shows the results of a run."""

from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from pathlib import Path


@click.command("report", short_help="Show what a run found, as one page.")
@click.argument("run", metavar="RUN")
@click.option("--out", help="The page's file.  [default: RUN/report.html]")
@click.option("--sarif", is_flag=True, help="Also RUN/report.sarif, for code scanning.")
@click.option("--model-card", is_flag=True, help="Also RUN/model-card.md, about the model.")
@click.option("--mlbom", is_flag=True, help="Also RUN/mlbom.cdx.json, as CycloneDX has it.")
@click.option("--arch", help="The network, where a stopped run's is code of your own.")
@options.TRUST
def command(
    run: str,
    out: str | None,
    sarif: bool,
    model_card: bool,
    mlbom: bool,
    arch: str | None,
    trust: bool,
) -> int:
    """Write one HTML page about RUN: the verdict, the suspects to look at, figures, cost.

    RUN is what audit, repair or demo wrote. The page needs no network and no other file, so it can
    be mailed. Suspects are accepted, rejected or relabeled on it, and the decisions saved as
    review.csv. Without --out, RUN/figures gets its figures as PNG, SVG and CSV.

    \b
    backburn report runs/repair-20261125-055005
    backburn report audit --sarif --model-card --mlbom
    """
    from pathlib import Path

    from ..errors import InputError
    from ..report.exports.files import export_files
    from ..report.html_page import render_standalone_page
    from ..report.next_steps import steps_after_report
    from ..runs import check_new_file, path_in_run, read_record, write_atomic, write_in_run
    from ..services.terminal_escapes import echo
    from .output import print_next

    folder = Path(run)
    path = Path(out) if out is not None else path_in_run(folder, "report.html")
    if out is not None:
        check_new_file(path)
    elif path.is_dir():
        raise InputError(f"{path} is a folder: give another --out")
    else:
        path_in_run(folder, "figures")  # fail before anything is written
    _draw_missing(folder, arch, trust)
    write_atomic(path, render_standalone_page(folder))
    echo(f"report: {path}")
    exports = {"sarif": sarif, "model-card": model_card, "mlbom": mlbom}
    for name, content in export_files(folder, [name for name in exports if exports[name]]).items():
        written = write_in_run(folder, name, content)
        echo(f"{name.partition('.')[0]}: {written}")
    if out is None:
        _draw_figures(folder)
    print_next(*steps_after_report(read_record(folder), str(folder), str(path)))
    return 0


def _draw_missing(run: "Path", arch: str | None, trust: bool) -> None:
    """Draw the pictures of a run that was stopped before they were drawn."""
    from ..errors import InputError
    from ..runs import read_record
    from ..runs.lock import is_locked, lock_message
    from ..runs.resume import lock_path

    if "gallery" in read_record(run).seconds:
        return
    if is_locked(lock_path(run)):
        raise InputError(lock_message(lock_path(run), str(run)))
    from ..services.draw_missing_pictures import draw_missing_pictures
    from ..services.progress_displays import ProgressDisplay

    with ProgressDisplay() as progress:
        draw_missing_pictures(run, progress, arch, trust)


def _draw_figures(run: "Path") -> None:
    """Write the figures as files, if matplotlib is installed."""
    from ..errors import InputError
    from ..report.figure_files import import_matplotlib
    from ..report.run_figures import run_figure_files
    from ..runs import write_in_run
    from ..services.terminal_escapes import echo

    try:
        import_matplotlib()
    except InputError as error:
        echo(f"backburn: {error}; the page has them all the same", error=True)
        return
    for name, content in run_figure_files(run).items():
        write_in_run(run, f"figures/{name}", content)
    echo(f"figures: {run / 'figures'}")

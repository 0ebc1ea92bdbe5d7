"""`backburn report`: one page that shows what a run found."""

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
    from ..report.exports.files import auditors_files
    from ..report.html_page import page_of
    from ..report.next_steps import after_report
    from ..runs import own, plan_file, read_record, write_own, write_whole
    from ..services.terminal import say
    from .output import print_next

    folder = Path(run)
    path = Path(out) if out is not None else own(folder, "report.html")
    if out is not None:
        plan_file(path)
    elif path.is_dir():
        raise InputError(f"{path} is a folder: give another --out")
    else:
        own(folder, "figures")  # said before anything is written
    _draw_missing(folder, arch, trust)
    write_whole(path, page_of(folder))
    say(f"report: {path}")
    wanted = {"sarif": sarif, "model-card": model_card, "mlbom": mlbom}
    for name, content in auditors_files(folder, [key for key in wanted if wanted[key]]).items():
        written = write_own(folder, name, content)
        say(f"{name.partition('.')[0]}: {written}")
    if out is None:
        _draw_figures(folder)
    print_next(*after_report(read_record(folder), str(folder), str(path)))
    return 0


def _draw_missing(run: "Path", arch: str | None, trust: bool) -> None:
    """The pictures of a run that was stopped before they were drawn."""
    from ..errors import InputError
    from ..runs import read_record
    from ..runs.lock import held, is_claimed
    from ..runs.resume import lock_of

    if "gallery" in read_record(run).seconds:
        return
    if is_claimed(lock_of(run)):
        raise InputError(held(lock_of(run), str(run)))
    from ..services.missing_pictures import complete
    from ..services.progress import ShowProgress

    with ShowProgress() as progress:
        complete(run, progress, arch, trust)


def _draw_figures(run: "Path") -> None:
    """The figures as files, where what draws them is installed."""
    from ..errors import InputError
    from ..report.figure_files import plotting
    from ..report.run_figures import run_files
    from ..runs import write_own
    from ..services.terminal import say

    try:
        plotting()
    except InputError as error:
        say(f"backburn: {error}; the page has them all the same", error=True)
        return
    for name, content in run_files(run).items():
        write_own(run, f"figures/{name}", content)
    say(f"figures: {run / 'figures'}")

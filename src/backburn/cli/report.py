"""`backburn report`: one page that shows what a run found."""

import click


@click.command("report", short_help="Show what a run found, as one page.")
@click.argument("run", metavar="RUN")
@click.option("--out", help="The page's file.  [default: RUN/report.html]")
def command(run: str, out: str | None) -> int:
    """Write one HTML page about RUN: the verdict, the suspects to look at, figures, cost.

    RUN is what audit, repair or demo wrote. The page needs no network and no other file, so it can
    be mailed. Suspects are accepted, rejected or relabeled on it, and the decisions saved as
    review.csv. Without --out, RUN/figures gets its figures as PNG, SVG and CSV.

    \b
    backburn report runs/repair-20261125-055005
    """
    from pathlib import Path

    from ..errors import InputError
    from ..report.kept import run_files
    from ..report.pictures import plotting
    from ..report.rendering import page_of
    from ..runs import own, plan_file, write_own, write_whole
    from .terminal import say

    path = Path(out) if out is not None else own(Path(run), "report.html")
    if out is not None:
        plan_file(path)
    elif path.is_dir():
        raise InputError(f"{path} is a folder: give another --out")
    else:
        own(Path(run), "figures")  # said before anything is written
    write_whole(path, page_of(Path(run)))
    say(f"report: {path}")
    if out is None:
        try:
            plotting()
        except InputError as error:
            say(f"backburn: {error}; the page has them all the same", error=True)
        else:
            for name, content in run_files(Path(run)).items():
                write_own(Path(run), f"figures/{name}", content)
            say(f"figures: {Path(run) / 'figures'}")
    return 0

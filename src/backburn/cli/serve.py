"""`backburn serve`: the report of a large run, and its review, in a browser."""

from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from pathlib import Path

    from ..report.finished_run import FinishedRun
    from ..serve.thumbnails import ThumbnailSource


@click.command("serve", short_help="Review a run of any size in the browser.")
@click.argument("run", metavar="RUN")
@click.option(
    "--port",
    default=0,
    type=click.IntRange(0, 65535),
    help="Port of this machine.  [default: a free one]",
)
@click.option("--no-browser", is_flag=True, help="Print the address, and open nothing.")
@click.option("--review", help="File that keeps the decisions.  [default: RUN/review.csv]")
@click.option(
    "--draw", is_flag=True, help="Open what RUN looked at, to draw suspects beyond the first 1,000."
)
@click.option("--arch", help="With --draw: the network, where it is code of your own.")
@options.TRUST
def command(
    run: str,
    port: int,
    no_browser: bool,
    review: str | None,
    draw: bool,
    arch: str | None,
    trust: bool,
) -> int:
    """Show RUN in a browser, and write each decision to RUN/review.csv at once.

    RUN is what audit, repair or demo wrote. The page is the one of report, but with all suspects,
    however many there are. Only this machine reaches it, and only by the address that is printed.
    Ctrl-C ends it. Then: backburn repair RUN --review RUN/review.csv

    \b
    backburn serve audit
    """
    from pathlib import Path

    from ..errors import InputError
    from ..report.next_steps import command_line
    from ..runs import path_in_run
    from ..services.terminal_escapes import echo
    from .output import print_next
    from .signals import StoppedError

    try:
        from ..serve.decisions import Decisions, lock_review
        from ..serve.server import serve
        from ..serve.session import ReviewSession
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise InputError(
            "serve needs starlette and uvicorn: pip install 'backburn[serve]'"
        ) from error
    finished = open_run(Path(run))
    path = Path(review) if review is not None else path_in_run(Path(run), "review.csv")
    with lock_review(path):
        decisions = Decisions(path, finished.gallery)
        thumbnails = thumbnails_of(finished, arch, trust, draw)
        session = ReviewSession(finished, decisions, thumbnails)
        try:
            serve(session, port, _print_address, not no_browser)
        except StoppedError:
            echo(f"\nstopped: {len(decisions.decided)} decided, in {path}")
            line = command_line("repair", run, "--review", str(path))
            print_next(("repair as you decided", line))
    return 0


def open_run(run: "Path") -> "FinishedRun":
    """Open a finished run for the review.

    Raises:
        InputError: the run is still being written; or see `open_finished_run`.
    """
    from ..errors import InputError
    from ..report.finished_run import open_finished_run
    from ..runs import RECORD

    final = run.resolve()
    siblings = final.parent.iterdir() if final.parent.is_dir() else ()
    is_being_written = any(sibling.name.startswith(f".{final.name}-") for sibling in siblings)
    if is_being_written and not (run / RECORD).is_file():
        raise InputError(
            f"{run} is still being written, or was stopped before it was whole: wait for its "
            "command, or give that again"
        )
    return open_finished_run(run)


def thumbnails_of(
    finished: "FinishedRun", arch: str | None, trust: bool, draw: bool
) -> "ThumbnailSource":
    """The thumbnails of a run; with `draw`, also of images that the run has no pictures of.

    Args:
        arch: architecture of the model, if it is the user's own code.
        trust: open models that run code, too.
    Raises:
        InputError: the case of the run cannot be opened, or has changed.
    """
    from ..config import configure
    from ..errors import InputError
    from ..models.inference import best_device
    from ..serve.thumbnails import ThumbnailRenderer, ThumbnailSource
    from ..services.audit_repair import fit_check_of
    from ..services.case_options import CaseOptions
    from ..services.open_case import open_case
    from ..services.progress_displays import ProgressDisplay
    from ..services.repair_options import RepairOptions, recorded_method, resolve_options

    if not draw:
        if arch is not None or trust:
            raise InputError("--arch and --trust go with --draw: add it, or leave them out")
        return ThumbnailSource(finished.gallery)
    repair_options = resolve_options(
        RepairOptions(CaseOptions(str(finished.path), arch=arch, trust=trust))
    )
    method = configure(recorded_method(repair_options), repair_options.config, ())
    check, device = fit_check_of(method), best_device("auto")
    with ProgressDisplay(quiet=False) as progress:
        opened = open_case(
            repair_options.case, None, repair_options.seed or 0, device, progress, check
        )
    renderer = ThumbnailRenderer(opened.case, finished.gallery, method.search_budget)
    return ThumbnailSource(finished.gallery, renderer)


def _print_address(address: str) -> None:
    from ..services.terminal_escapes import echo

    echo(f"review: {address}\nCtrl-C ends it.")

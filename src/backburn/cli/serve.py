"""`backburn serve`: the report of a large run, and its review, in a browser."""

import click

from . import options


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
    from ..runs import own
    from ..services.terminal import say
    from .open_served import easel_of, open_served
    from .output import print_next
    from .signals import StoppedError

    try:
        from ..serve.decisions import Book, held
        from ..serve.server import serve
        from ..serve.session import Desk
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise InputError(
            "serve needs starlette and uvicorn: pip install 'backburn[serve]'"
        ) from error
    finished = open_served(Path(run))
    path = Path(review) if review is not None else own(Path(run), "review.csv")
    with held(path):
        book = Book(path, finished.gallery)
        easel = easel_of(finished, arch, trust, draw)
        try:
            serve(Desk(finished, book, easel), port, _said, not no_browser)
        except StoppedError:
            say(f"\nstopped: {len(book.decided)} decided, in {path}")
            line = command_line("repair", run, "--review", str(path))
            print_next(("repair as you decided", line))
    return 0


def _said(address: str) -> None:
    from ..services.terminal import say

    say(f"review: {address}\nCtrl-C ends it.")

"""A run that was begun before: it goes on, or it turns out to be finished."""

from pathlib import Path

import click

from ..runs import Record, claimed, read_record, table_in, work_of
from ..runs.paths import clear, is_run, remove_empty
from ..runs.resume import Begun, goes_on, lock_of
from ..services.missing_pictures import complete
from ..services.progress import ShowProgress
from ..services.terminal import print_json, say
from .main import EXIT_CODES


def look_at(path: Path, before: Begun, now: Begun, as_json: bool) -> None:
    """Say what is to be said of a run that was begun before, and that nobody is at.

    Raises:
        InputError: it was begun with something else.
        click.exceptions.Exit: it was finished, and stopped before it could say so.
    """
    lines = goes_on(path, before, now)
    if is_run(path):
        with claimed(lock_of(path), str(path)):
            with ShowProgress(quiet=as_json) as progress:
                complete(path, progress, now.arguments.get("arch"))
            clear(work_of(path))
        remove_empty(work_of(path))
        record = read_record(path)
        if as_json:
            print_json({**record.metrics, "seconds": record.seconds, "run": str(path)})
        else:
            say(f"This run was finished before it was stopped.\nrun: {path}")
        raise click.exceptions.Exit(_code_of(record))
    for line in (f"going on with {path}, which was begun {before.created}", *lines):
        say(f"backburn: {line}", error=True)


def _code_of(record: Record) -> int:
    """The exit code that the command would have ended with."""
    state = str(table_in(record.metrics, "verdict").get("state"))
    if record.command == "audit":
        return EXIT_CODES.get(state, 0)
    undecided = record.command == "repair" and state in ("suspicious", "abstained")
    return EXIT_CODES[state] if undecided and not record.metrics.get("review") else 0

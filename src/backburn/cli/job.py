"""A command on its way to a run: where it will be, what it was begun with, who may write it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ..errors import InputError
from ..executor.resumable import Kept
from ..runs import claimed, plan_run, work_of
from ..runs.lock import held, is_claimed
from ..runs.paths import clear, drop, is_run, missing, remove_empty
from ..runs.resume import (
    Begun,
    begin,
    check_made_of,
    goes_on,
    lock_of,
    read_begun,
    unfinished,
    write_begun,
)
from ..runs.safe_files import check_plain
from .resume import look_at
from .signals import StoppedError

LEFT_OUT = ("out", "dest", "as_json", "ray", "ray_workers", "ray_gpus")
"""What a command line says that does not change what comes of it."""


@dataclass(frozen=True, slots=True)
class Job:
    """A run that is planned; nothing is written before `going`."""

    path: Path
    begun: Begun

    @contextmanager
    def going(self, made_of: Mapping[str, str] | None = None) -> Iterator[Kept]:
        """Hold the run, with what keeps its work; what is kept goes when the run is written.

        Args:
            made_of: digests of what the run is made of, by name.
        Raises:
            InputError: somebody else holds it, or it was begun with something else.
        """
        path, work = self.path, work_of(self.path)
        new = missing(path)
        check_plain(work)
        try:
            with claimed(lock_of(path), str(path)):
                try:
                    self._bind(made_of or {})
                    yield Kept(work)
                finally:
                    if is_run(path) or not any(work.glob("*/*")):
                        clear(work)
        except StoppedError as stopped:
            line = f"{path} is written" if is_run(path) else f"to go on: {self.begun.shown()}"
            raise stopped.with_advice(line) from None
        finally:
            remove_empty(work, *new)

    def _bind(self, made_of: Mapping[str, str]) -> None:
        plan_run(self.path, self.begun.command)  # somebody may have written it meanwhile
        before = read_begun(self.path)
        if before is not None:
            goes_on(self.path, before, self.begun)
            check_made_of(self.path, before, made_of)
        write_begun(self.path, replace(self.begun, made_of=dict(made_of)))


def job(command: str, out: str | None, option: str = "--out") -> Job:
    """The run that this command line asks for, which may have been begun before.

    Without `--out` it is the one of these arguments that was not finished, if there is one.

    Raises:
        InputError: a place that is taken, or where something else was begun.
    """
    said = click.get_current_context().params
    arguments = {name: value for name, value in said.items() if name not in LEFT_OUT}
    line = ("backburn", *sys.argv[1:])
    begun = begin(command, line, arguments)
    found = Path(out) if out is not None else _found_again(begun)
    before = None if found is None else read_begun(found)
    if found is not None and before is not None:
        path = found
    else:
        if found is not None and is_run(found) and not is_claimed(lock_of(found)):
            drop(work_of(found))  # it was killed when nearly all of it was gone
        path = plan_run(out, command, option)
    if is_claimed(lock_of(path)):
        raise InputError(held(lock_of(path), str(path)))
    if before is not None:
        look_at(path, before, begun, bool(said.get("as_json")))
    if out is None and option == "--out":
        begun = replace(begun, line=(*line, "--out", str(path)))
    return Job(path, begun)


def _found_again(begun: Begun) -> Path | None:
    """The last run in `runs` that was begun in the same way and that nobody is at."""
    for path, before in reversed(list(unfinished(Path("runs")))):
        same = (before.command, before.arguments) == (begun.command, begun.arguments)
        if same and not is_claimed(lock_of(path)):
            return path
    return None

"""The run that a command is going to write: planned, locked, and resumed if it was started."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ..errors import InputError
from ..executor.resumable import ResumableExecutor
from ..runs import Record, dict_in, locked, plan_run, read_record, work_folder
from ..runs.lock import is_locked, lock_message
from ..runs.paths import clear_work, delete_work, is_finished, missing_parents, remove_empty_folders
from ..runs.resume import (
    RunManifest,
    check_digests,
    check_resumable,
    lock_path,
    new_manifest,
    read_manifest,
    unfinished_runs,
    write_manifest,
)
from ..runs.safe_files import check_plain
from ..services.draw_missing_pictures import draw_missing_pictures
from ..services.progress_displays import ProgressDisplay
from ..services.terminal_escapes import echo, print_json
from .main import EXIT_CODES
from .signals import StoppedError

IGNORED_OPTIONS = ("out", "dest", "as_json", "ray", "ray_workers", "ray_gpus")
"""Parameters of the command line that do not affect the result."""


@dataclass(frozen=True, slots=True)
class Job:
    """A planned run; nothing is written before `running`."""

    path: Path
    manifest: RunManifest

    @contextmanager
    def running(self, made_of: Mapping[str, str] | None = None) -> Iterator[ResumableExecutor]:
        """Hold the run's lock, and yield an executor that keeps intermediate results.

        These are deleted once the run is written.

        Args:
            made_of: digests of the inputs, by name.
        Raises:
            InputError: another process holds the run, or it was started with other inputs.
        """
        path, work = self.path, work_folder(self.path)
        created_folders = missing_parents(path)
        check_plain(work)
        try:
            with locked(lock_path(path), str(path)):
                try:
                    self._write_manifest(made_of or {})
                    yield ResumableExecutor(work)
                finally:
                    if is_finished(path) or not any(work.glob("*/*")):
                        clear_work(work)
        except StoppedError as stopped:
            advice = f"to go on: {self.manifest.shell_command()}"
            if is_finished(path):
                advice = f"{path} is written"
            raise stopped.with_advice(advice) from None
        finally:
            remove_empty_folders(work, *created_folders)

    def _write_manifest(self, made_of: Mapping[str, str]) -> None:
        plan_run(self.path, self.manifest.command)  # another process may have written it by now
        before = read_manifest(self.path)
        if before is not None:
            check_resumable(self.path, before, self.manifest)
            check_digests(self.path, before, made_of)
        write_manifest(self.path, replace(self.manifest, made_of=dict(made_of)))


def plan_job(command: str, out: str | None, option: str = "--out") -> Job:
    """The run that the current command line asks for, new or resumed.

    Without `--out` an unfinished run with the same arguments is resumed, if there is one.

    Args:
        out: path of the run.
        option: name of the option that sets the path, for messages.
    Raises:
        InputError: the path is in use, or was started with other arguments.
        click.exceptions.Exit: the run turned out to be finished.
    """
    parameters = click.get_current_context().params
    arguments = {name: value for name, value in parameters.items() if name not in IGNORED_OPTIONS}
    line = ("backburn", *sys.argv[1:])
    manifest = new_manifest(command, line, arguments)
    candidate = Path(out) if out is not None else _unfinished_like(manifest)
    before = None if candidate is None else read_manifest(candidate)
    if candidate is not None and before is not None:
        path = candidate
    else:
        if candidate is not None and is_finished(candidate) and not is_locked(lock_path(candidate)):
            delete_work(work_folder(candidate))  # a leftover: it was killed while cleaning up
        path = plan_run(out, command, option)
    if is_locked(lock_path(path)):
        raise InputError(lock_message(lock_path(path), str(path)))
    if before is not None:
        _resume(path, before, manifest, bool(parameters.get("as_json")))
    if out is None and option == "--out":
        manifest = replace(manifest, line=(*line, "--out", str(path)))
    return Job(path, manifest)


def _unfinished_like(manifest: RunManifest) -> Path | None:
    """The latest unfinished run in `runs` with the same arguments that no process holds."""
    for path, before in reversed(list(unfinished_runs(Path("runs")))):
        is_same = (before.command, before.arguments) == (manifest.command, manifest.arguments)
        if is_same and not is_locked(lock_path(path)):
            return path
    return None


def _resume(path: Path, before: RunManifest, now: RunManifest, as_json: bool) -> None:
    """Announce that a run is resumed; if only its pictures are missing, finish it and exit.

    Raises:
        InputError: the run was started with other arguments.
        click.exceptions.Exit: the run is finished.
    """
    warnings = check_resumable(path, before, now)
    if is_finished(path):
        with locked(lock_path(path), str(path)):
            with ProgressDisplay(quiet=as_json) as progress:
                draw_missing_pictures(path, progress, now.arguments.get("arch"))
            clear_work(work_folder(path))
        remove_empty_folders(work_folder(path))
        record = read_record(path)
        if as_json:
            print_json({**record.metrics, "seconds": record.seconds, "run": str(path)})
        else:
            echo(f"This run was finished before it was stopped.\nrun: {path}")
        raise click.exceptions.Exit(_exit_code(record))
    for line in (f"going on with {path}, which was begun {before.created}", *warnings):
        echo(f"backburn: {line}", error=True)


def _exit_code(record: Record) -> int:
    """The exit code with which the command would have ended."""
    state = str(dict_in(record.metrics, "verdict").get("state"))
    if record.command == "audit":
        return EXIT_CODES.get(state, 0)
    is_undecided = record.command == "repair" and state in ("suspicious", "abstained")
    return EXIT_CODES[state] if is_undecided and not record.metrics.get("review") else 0

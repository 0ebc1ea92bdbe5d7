"""Running all cells of a study, each once. Finished cells are kept; failed ones say why."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import torch

from ..errors import BackburnError, InputError
from ..runs import Record, path_in_run, read_checked, to_json, with_checksum, write_atomic
from ..types import Progress, no_progress
from .cell import run_cell
from .plan import Cell, planned_cells
from .study_file import Study

CellCallback: TypeAlias = Callable[[Cell, str | None], None]
"""Called with every cell that has ended, and with its error if it failed."""

Attempt: TypeAlias = Callable[[Cell], str | None]
"""Runs a cell and writes its record; returns the last line of the error if it fails."""

Runner: TypeAlias = Callable[[Sequence[Cell], Attempt], Iterator[tuple[Cell, str | None]]]
"""Attempts every cell somewhere, and yields each with its error as it ends."""


def ignore_cell(cell: Cell, error: str | None) -> None:
    """The default `CellCallback`: does nothing."""


def run_study(
    study: Study,
    data: Path,
    out: Path,
    workers: int,
    progress: Progress = no_progress,
    victims: Path | None = None,
    on_cell_end: CellCallback = ignore_cell,
    runner: Runner | None = None,
) -> list[str]:
    """Run every cell without a record in `out`, and write `out/cells/NAME.json` for each.

    Args:
        data: the folder that contains the study's data set.
        workers: number of processes; they share the cores.
        victims: folder of the victims, which studies may share; `out/victims` if None.
        on_cell_end: called with every cell that has ended.
        runner: runs the cells; a pool of `workers` processes if None.
    Returns:
        The cells that failed, each with the last line of its error. The traceback is in
        `out/cells/NAME.error.txt`.
    Raises:
        InputError: there is no such data set, or a record was made with other settings.
    """
    if study.dataset != "digits" and not (data / study.dataset).is_dir():
        raise InputError(f"no data set {study.dataset!r} in {data}: name its folder with --data")
    cells = planned_cells(study)
    folder = path_in_run(out, "cells").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [cell for cell in cells if not _is_finished(cell, _record_path(folder, cell))]
    done, failed = len(cells) - len(waiting), []
    progress("cells", done, len(cells))
    victims = (victims or out / "victims").absolute()
    attempt = partial(_attempt, data=data.absolute(), folder=folder, victims=victims)
    for cell, error in (runner or ProcessPool(workers))(waiting, attempt):
        failed += [f"{cell.name}: {error}"] if error else []
        done += 1
        on_cell_end(cell, error)
        progress("cells", done, len(cells))
    return failed


@dataclass(frozen=True, slots=True)
class ProcessPool:
    """A `Runner`: processes of this machine, which share its cores."""

    workers: int

    def __call__(
        self, cells: Sequence[Cell], attempt: Attempt
    ) -> Iterator[tuple[Cell, str | None]]:
        threads = max(1, torch.get_num_threads() // self.workers)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self.workers, context, _start_worker, (threads,)) as pool:
            with _interrupts_blocked():
                running = {pool.submit(attempt, cell): cell for cell in cells}
            try:
                for future in as_completed(running):
                    yield running[future], _error_of(future)
            except BaseException:
                # leaving the pool would wait for running cells; records are written atomically
                pool.shutdown(wait=False, cancel_futures=True)
                for worker in multiprocessing.active_children():
                    worker.kill()
                raise


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block SIGINT in workers that start within: the study handles Ctrl-C."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def read_cells(study: Study, out: Path) -> list[tuple[Cell, Record]]:
    """The finished cells of a study with their records, in the order of the study."""
    pairs = [(cell, read_cell(cell, out)) for cell in planned_cells(study)]
    return [(cell, record) for cell, record in pairs if record]


def read_cell(cell: Cell, out: Path) -> Record | None:
    """The record of a cell; None if it is not finished."""
    path = _record_path(out / "cells", cell)
    return read_checked(path) if path.exists() else None


def _is_finished(cell: Cell, path: Path) -> bool:
    """Whether a cell has a record; raise if the record is of other settings."""
    if not path.exists():
        return False
    if read_checked(path).arguments != cell.arguments():
        raise InputError(
            f"{path} was made with other settings: give another --out, or move the file away"
        )
    return True


def _error_of(future: Future[str | None]) -> str | None:
    try:
        return future.result()
    except BrokenProcessPool:
        raise BackburnError(
            "a worker was killed, perhaps for memory: the same command goes on, with fewer "
            "--workers where memory is short"
        ) from None


def _start_worker(threads: int) -> None:
    """Initialize a worker: set its threads, and let it end with its parent process."""
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exit when the parent does: a killed study must leave no workers beside its successor's."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _attempt(cell: Cell, data: Path, folder: Path, victims: Path) -> str | None:
    """Run a cell and write its record; return the last line of the error if it fails."""
    path = _record_path(folder, cell)
    try:
        record = run_cell(cell, data, victims, no_progress)
    except Exception as error:  # a cell that fails does not stop the others
        write_atomic(path.with_suffix(".error.txt"), traceback.format_exc().encode())
        return f"{type(error).__name__}: {error}"
    write_atomic(path, to_json(with_checksum(record)))
    path.with_suffix(".error.txt").unlink(missing_ok=True)
    return None


def _record_path(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.name}.json"

"""All cells of a study, each once: finished ones are kept, failed ones say why."""

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
from ..runs import Record, own, read_sealed, sealed, to_json, write_whole
from ..types import Progress, silent
from .cell import run_cell
from .plan import Cell, planned
from .study import Study

Told: TypeAlias = Callable[[Cell, str | None], None]
"""Hears of every cell that has ended, and its error where it failed."""


Attempt: TypeAlias = Callable[[Cell], str | None]
"""Runs a cell and writes its record; gives back the error's last line where it fails."""

Runner: TypeAlias = Callable[[Sequence[Cell], Attempt], Iterator[tuple[Cell, str | None]]]
"""Has every cell attempted by somebody, and tells of each as it ends."""


def unheard(cell: Cell, error: str | None) -> None:
    """The default `Told`: does nothing."""


def run_study(
    study: Study,
    data: Path,
    out: Path,
    workers: int,
    progress: Progress = silent,
    victims: Path | None = None,
    told: Told = unheard,
    runner: Runner | None = None,
) -> list[str]:
    """Run every cell that `out` has no record of yet, and write `out/cells/NAME.json` for each.

    Args:
        data: the folder that the study's data set lies in.
        workers: processes, each with its share of the cores.
        victims: folder of the victims, which studies may share; `out/victims` where None.
        told: see `Told`.
        runner: who runs the cells; so many `workers` of this machine where None.
    Returns:
        The cells that failed, each with the last line of its error; its traceback is in
        `out/cells/NAME.error.txt`.
    """
    if study.dataset != "digits" and not (data / study.dataset).is_dir():
        raise InputError(f"no data set {study.dataset!r} in {data}: name its folder with --data")
    cells = planned(study)
    folder = own(out, "cells").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [cell for cell in cells if not _finished(cell, _record_path(folder, cell))]
    done, failed = len(cells) - len(waiting), []
    progress("cells", done, len(cells))
    made = (victims or out / "victims").absolute()
    attempt = partial(_attempt, data=data.absolute(), folder=folder, victims=made)
    for cell, error in (runner or Processes(workers))(waiting, attempt):
        failed += [f"{cell.name}: {error}"] if error else []
        done += 1
        told(cell, error)
        progress("cells", done, len(cells))
    return failed


@dataclass(frozen=True, slots=True)
class Processes:
    """A `Runner`: so many processes of this machine, each with its share of the cores."""

    workers: int

    def __call__(
        self, cells: Sequence[Cell], attempt: Attempt
    ) -> Iterator[tuple[Cell, str | None]]:
        threads = max(1, torch.get_num_threads() // self.workers)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(self.workers, context, _prepare, (threads,)) as pool:
            with _deaf_to_the_terminal():
                running = {pool.submit(attempt, cell): cell for cell in cells}
            try:
                for future in as_completed(running):
                    yield running[future], _result(future)
            except BaseException:
                # or leaving it would wait for the cells under way; what is written is whole
                pool.shutdown(wait=False, cancel_futures=True)
                for worker in multiprocessing.active_children():
                    worker.kill()
                raise


@contextmanager
def _deaf_to_the_terminal() -> Iterator[None]:
    """Workers that are made within it never hear of Ctrl-C, which is for the study to deal with."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def read_cells(study: Study, out: Path) -> list[tuple[Cell, Record]]:
    """The finished cells of a study, in its order."""
    pairs = [(cell, read_cell(cell, out)) for cell in planned(study)]
    return [(cell, record) for cell, record in pairs if record]


def read_cell(cell: Cell, out: Path) -> Record | None:
    """A cell's record; None where it is not finished."""
    path = _record_path(out / "cells", cell)
    return read_sealed(path) if path.exists() else None


def _finished(cell: Cell, path: Path) -> bool:
    """Whether a cell has its record; a record of other settings is an error, not a result."""
    if not path.exists():
        return False
    if read_sealed(path).arguments != cell.arguments():
        raise InputError(
            f"{path} was made with other settings: give another --out, or move the file away"
        )
    return True


def _result(future: Future[str | None]) -> str | None:
    try:
        return future.result()
    except BrokenProcessPool:
        raise BackburnError(
            "a worker was killed, perhaps for memory: the same command goes on, with fewer "
            "--workers where memory is short"
        ) from None


def _prepare(threads: int) -> None:
    """What a worker does first: keep to its threads, and end with the process that it works for."""
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed study leaves no workers behind, which would work on beside its successor's."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _attempt(cell: Cell, data: Path, folder: Path, victims: Path) -> str | None:
    """Run a cell and write its record; the error's last line where it fails."""
    path = _record_path(folder, cell)
    try:
        record = run_cell(cell, data, victims, silent)
    except Exception as error:  # whatever fails in one cell, the rest goes on
        write_whole(path.with_suffix(".error.txt"), traceback.format_exc().encode())
        return f"{type(error).__name__}: {error}"
    write_whole(path, to_json(sealed(record)))
    path.with_suffix(".error.txt").unlink(missing_ok=True)
    return None


def _record_path(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.name}.json"

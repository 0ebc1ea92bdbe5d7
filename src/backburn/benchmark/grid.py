"""All cells of a study, each once: finished ones are kept, failed ones say why."""

import multiprocessing
import traceback
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import msgspec
import torch

from ..errors import BackburnError, InputError
from ..runs import Record, to_json
from ..types import Progress, silent
from .cell import run_cell
from .study import Cell, Study


def run_study(
    study: Study,
    data: Path,
    out: Path,
    workers: int,
    progress: Progress = silent,
    victims: Path | None = None,
) -> list[str]:
    """Run every cell that `out` has no record of yet, and write `out/cells/NAME.json` for each.

    Args:
        data: the folder that the study's data set lies in.
        workers: processes, each with its share of the cores.
        victims: folder of the victims, which studies may share; `out/victims` where None.
    Returns:
        The cells that failed, each with the last line of its error; its traceback is in
        `out/cells/NAME.error.txt`.
    """
    if study.dataset != "digits" and not (data / study.dataset).is_dir():
        raise InputError(f"no data set {study.dataset!r} in {data}: name its folder with --data")
    cells = study.cells()
    folder = out / "cells"
    folder.mkdir(parents=True, exist_ok=True)
    waiting = [cell for cell in cells if not _finished(cell, _record_path(folder, cell))]
    progress("cells", len(cells) - len(waiting), len(cells))
    threads = max(1, torch.get_num_threads() // workers)
    context = multiprocessing.get_context("spawn")
    failed: list[str] = []
    with ProcessPoolExecutor(workers, context, _use_threads, (threads,)) as pool:
        running = {
            pool.submit(_attempt, cell, data, folder, victims or out / "victims"): cell
            for cell in waiting
        }
        for count, future in enumerate(as_completed(running), len(cells) - len(waiting) + 1):
            error = _result(future)
            failed += [f"{running[future].name}: {error}"] if error else []
            progress("cells", count, len(cells))
    return failed


def read_cells(study: Study, out: Path) -> list[tuple[Cell, Record]]:
    """The finished cells of a study, in its order."""
    pairs = [(cell, _record_path(out / "cells", cell)) for cell in study.cells()]
    return [
        (cell, msgspec.json.decode(path.read_bytes(), type=Record))
        for cell, path in pairs
        if path.exists()
    ]


def _finished(cell: Cell, path: Path) -> bool:
    """Whether a cell has its record; a record of other settings is an error, not a result."""
    if not path.exists():
        return False
    made = msgspec.json.decode(path.read_bytes(), type=Record).arguments
    if made != cell.arguments():
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


def _use_threads(count: int) -> None:
    torch.set_num_threads(count)


def _attempt(cell: Cell, data: Path, folder: Path, victims: Path) -> str | None:
    """Run a cell and write its record; the error's last line where it fails."""
    path = _record_path(folder, cell)
    try:
        record = run_cell(cell, data, victims, silent)
    except Exception as error:  # whatever fails in one cell, the rest goes on
        path.with_suffix(".error.txt").write_text(traceback.format_exc())
        return f"{type(error).__name__}: {error}"
    whole = path.with_suffix(".part")
    whole.write_bytes(to_json(record))
    whole.replace(path)
    path.with_suffix(".error.txt").unlink(missing_ok=True)
    return None


def _record_path(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.name}.json"

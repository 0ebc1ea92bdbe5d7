"""Running the cells of a study as Ray tasks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
import torch

from ..benchmark.plan import Cell
from ..benchmark.run_study import Attempt, read_cells
from ..benchmark.study_file import Study
from ..errors import first_line
from .attempt_counts import (
    MAX_RETRIES,
    count_lost_nodes,
    record_attempt,
    retry_notes,
    start_attempt_counter,
)

DEFAULT_MEMORY = 2048
"""MiB that a cell is assumed to need until one of its study is finished."""


@dataclass(frozen=True, slots=True)
class RayCellRunner:
    """A `benchmark.run_study.Runner` that runs cells wherever the cluster has room.

    Args:
        memory: MiB that each cell needs.
        gpus: share of a GPU that each cell holds.
        notes: lines about retries, which a call appends.
    """

    memory: int = DEFAULT_MEMORY
    gpus: float = 0.0
    notes: list[str] = field(default_factory=list)

    def __call__(
        self, cells: Sequence[Cell], attempt: Attempt
    ) -> Iterator[tuple[Cell, str | None]]:
        counter, lost_before = start_attempt_counter(), count_lost_nodes()
        task = ray.remote(_run_cell).options(
            num_cpus=1, num_gpus=self.gpus, memory=self.memory << 20, max_retries=MAX_RETRIES
        )
        running = {task.remote(attempt, cell, counter): cell for cell in cells}
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            yield running.pop(done), _error_of(done)
        self.notes.extend(retry_notes(counter, "cells", lost_before))


def estimate_cell_memory(study: Study, out: Path) -> int:
    """MiB that a cell needs: the most that the finished cells in `out` took."""
    used = max((record.memory or 0 for _, record in read_cells(study, out)), default=0)
    return used or DEFAULT_MEMORY


def _run_cell(attempt: Callable[[Cell], str | None], cell: Cell, counter: Any) -> str | None:
    record_attempt(counter, cell.name)
    torch.set_num_threads(1)
    return attempt(cell)


def _error_of(done: Any) -> str | None:
    """The error of a finished cell, or the error of the cluster that kept it from finishing."""
    try:
        message: str | None = ray.get(done)
    except ray.exceptions.RayError as error:
        return f"{type(error).__name__}: {first_line(error)}"
    return message

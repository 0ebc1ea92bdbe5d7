"""The cells of a study as Ray tasks, each with what it needs."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
import torch

from ..benchmark.grid import Attempt, read_cells
from ..benchmark.plan import Cell
from ..benchmark.study import Study
from ..errors import first_line
from .retries import lost_nodes, note, open_ledger, retried

MEMORY = 2048
"""MiB that a cell is taken to need, as long as none of its study is finished."""
FAILURES = 3
"""Times that a cell is begun again, when the process or the node that runs it is lost."""


@dataclass(frozen=True, slots=True)
class Tasks:
    """A `benchmark.grid.Runner`: cells run wherever there is room for them.

    Args:
        memory: MiB that each needs.
        gpus: what each holds of a GPU.
        told: lines about what was begun again.
    """

    memory: int = MEMORY
    gpus: float = 0.0
    told: list[str] = field(default_factory=list)

    def __call__(
        self, cells: Sequence[Cell], attempt: Attempt
    ) -> Iterator[tuple[Cell, str | None]]:
        ledger, lost = open_ledger(), lost_nodes()
        task = ray.remote(_run).options(
            num_cpus=1, num_gpus=self.gpus, memory=self.memory << 20, max_retries=FAILURES
        )
        running = {task.remote(attempt, cell, ledger): cell for cell in cells}
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            yield running.pop(done), _result(done)
        self.told.extend(retried(ledger, "cells", lost))


def memory_of(study: Study, out: Path) -> int:
    """MiB that a cell of the study needs, by those that are finished in `out`."""
    return max((record.memory or 0 for _, record in read_cells(study, out)), default=0) or MEMORY


def _run(attempt: Callable[[Cell], str | None], cell: Cell, ledger: Any) -> str | None:
    note(ledger, cell.name)
    torch.set_num_threads(1)
    return attempt(cell)


def _result(done: Any) -> str | None:
    """The error of a cell, or of the cluster in the cell's place."""
    try:
        error: str | None = ray.get(done)
    except ray.exceptions.RayError as lost:
        return f"{type(lost).__name__}: {first_line(lost)}"
    return error

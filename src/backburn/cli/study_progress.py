"""Progress of a study while it runs."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ..benchmark.plan import Cell, planned_cells
from ..benchmark.run_study import read_cell
from ..benchmark.study_file import Study
from ..runs import Record
from ..services.terminal_escapes import safe_console

WAITING, FAILED = "\u00b7", "failed"


class LiveStudy:
    """A table that fills on a terminal; in a log, one line per finished cell.

    The table shows DER in percent, AUROC for detectors, and ASR for victims alone: the mean over
    the finished rates and seeds.

    Args:
        out: folder of the study.
        quiet: show nothing.
    """

    def __init__(self, study: Study, out: Path, quiet: bool):
        self._out, self._quiet = out, quiet
        self._console = safe_console(error=True)
        self._cells = planned_cells(study)
        self._figures: defaultdict[tuple[str, str], list[float | None]] = defaultdict(list)
        for cell in self._cells:
            self._note(cell)
        self._bars = _Bars(self._table, self._console) if self._on_terminal else None

    @property
    def _on_terminal(self) -> bool:
        return self._console.is_terminal and not self._quiet

    def __enter__(self) -> "LiveStudy":
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bars:
            self._bars.stop()

    def progress(self, phase: str, done: int, total: int, /) -> None:
        """Progress callback that counts finished cells."""
        if self._bars:
            task = self._bars.task_ids[0] if self._bars.task_ids else self._bars.add_task(phase)
            self._bars.update(task, completed=done, total=total)

    def cell_ended(self, cell: Cell, error: str | None) -> None:
        """Show that a cell has finished, or failed with an error."""
        record = self._note(cell, error)
        if not self._quiet and not self._bars:
            line = _line(record) if record and not error else error
            self._console.print(f"{cell.name}: {line}", markup=False, soft_wrap=True)

    def _note(self, cell: Cell, error: str | None = None) -> Record | None:
        record = read_cell(cell, self._out)
        if record or error:
            figure = headline(record)[1] if record else None
            self._figures[cell.method, cell.attack].append(figure)
        return record

    def _table(self) -> Table:
        attacks = list(dict.fromkeys(cell.attack for cell in self._cells))
        table = Table("method", *attacks, box=None, header_style="bold", pad_edge=False)
        for method in dict.fromkeys(cell.method for cell in self._cells):
            table.add_row(method, *(self._mean_figure(method, attack) for attack in attacks))
        return table

    def _mean_figure(self, method: str, attack: str) -> Text:
        figures = self._figures.get((method, attack))
        if not figures:
            return Text(WAITING, style="dim")
        finished = [figure for figure in figures if figure is not None]
        return Text(f"{100 * fmean(finished):.1f}") if finished else Text(FAILED, style="red")


def _line(record: Record) -> str:
    name, figure = headline(record)
    shown = "-" if figure is None else f"{100 * figure:.1f}"
    phases = (record.seconds.get(phase) for phase in ("repair", "examine", "victim"))
    spent = next(seconds for seconds in phases if seconds is not None)
    return f"{name} {shown}, {spent:.0f} s"


def headline(record: Record) -> tuple[str, float | None]:
    """Name and value of a finished cell's main figure; None if it is undefined."""
    metrics: Mapping[str, Any] = record.metrics
    if "detected" in metrics:
        detection = metrics["detected"]
        is_clean = detection["auroc"] is None
        return ("FPR", detection["fpr"]) if is_clean else ("AUROC", detection["auroc"])
    if "attacked" in metrics:
        return "ASR", metrics["attacked"]["scores"]["asr"]
    outcome = metrics["outcome"]
    is_clean = outcome["before"]["asr"] is None
    return ("ACC", outcome["after"]["acc"]) if is_clean else ("DER", outcome["der"])


class _Bars(Progress):
    """A progress bar below a table, which `table` draws anew each time."""

    def __init__(self, table: Callable[[], Table], console: Console):
        self._draw_table = table
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self._draw_table()
        yield self.make_tasks_table(self.tasks)

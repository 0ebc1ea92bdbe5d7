"""The rows of the tables: one for each cell of a defense or a detector.

Rates are fractions. A figure that does not apply is the empty string.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from ...data.csv_cells import csv_text
from ...interfaces import Inputs
from ...runs import Record
from ..cell_table import SCORES, rounded
from .victims import Row

DEFENSE_COLUMNS = (
    "method", "given", "attack", "dataset", "rate", "seed", "acc", "asr", "ra", "der",
    "seconds", "seconds_victim", "acc_before", "asr_before", "ra_before",
    "acc_clean", "asr_clean", "ra_clean", "commit",
)  # fmt: skip
DETECTOR_COLUMNS = (
    "method", "attack", "rate", "seed", "tpr", "fpr", "auroc", "seconds",
    "given", "dataset", "seconds_victim", "asr_before", "commit",
)  # fmt: skip


@runtime_checkable
class StudyLike(Protocol):
    """What a row needs of a study."""

    @property
    def dataset(self) -> str: ...


@runtime_checkable
class CellLike(Protocol):
    """What a row needs of a cell; `kind` is `defense` or `detector`."""

    @property
    def attack(self) -> str: ...
    @property
    def rate(self) -> float: ...
    @property
    def seed(self) -> int: ...
    @property
    def method(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def inputs(self) -> Inputs: ...
    @property
    def study(self) -> StudyLike: ...


Cells = Sequence[tuple[CellLike, Record]]


def defense_rows(cells: Cells) -> list[Row]:
    """A row for each cell of a defense, in their order."""
    return [_defense_row(cell, record) for cell, record in cells if cell.kind == "defense"]


def detector_rows(cells: Cells) -> list[Row]:
    """A row for each cell of a detector, in their order."""
    return [_detector_row(cell, record) for cell, record in cells if cell.kind == "detector"]


def defenses_csv(rows: Iterable[Row]) -> str:
    """Rows of defenses as CSV; columns `*_clean` are scores of the clean model, if there is one."""
    return csv_text(DEFENSE_COLUMNS, rows)


def detectors_csv(rows: Iterable[Row]) -> str:
    """Rows of detectors as CSV."""
    return csv_text(DETECTOR_COLUMNS, rows)


def _defense_row(cell: CellLike, record: Record) -> Row:
    outcome = record.metrics["outcome"]
    scores_by_suffix: dict[str, Mapping[str, Any]] = {
        "": outcome["after"],
        "_before": outcome["before"],
        "_clean": outcome.get("clean") or {},
    }
    return {
        **_cell_columns(cell, record, "repair"),
        **{
            f"{name}{suffix}": rounded(scores.get(name))
            for suffix, scores in scores_by_suffix.items()
            for name in SCORES
        },
        "der": rounded(outcome.get("der") if cell.rate else None),
    }


def _detector_row(cell: CellLike, record: Record) -> Row:
    detected = record.metrics["detected"]
    return {
        **_cell_columns(cell, record, "examine"),
        **{name: rounded(detected.get(name)) for name in ("tpr", "fpr", "auroc")},
        "asr_before": rounded(record.metrics["before"]["asr"]),
    }


def _cell_columns(cell: CellLike, record: Record, phase: str) -> Row:
    return {
        "method": cell.method,
        "given": str(cell.inputs),
        "attack": cell.attack,
        "dataset": cell.study.dataset,
        "rate": cell.rate,
        "seed": cell.seed,
        "seconds": round(record.seconds[phase], 1),
        "seconds_victim": round(record.seconds["victim"], 1),
        "commit": record.commit,
    }

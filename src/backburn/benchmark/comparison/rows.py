"""A row a cell, of defences and of detectors; fractions, empty where a figure does not apply."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from ...data.csv_cells import csv_text
from ...interfaces import Given
from ...runs import Record
from ..summary import SCORES, digits
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
class Plan(Protocol):
    """What a row says of a study."""

    @property
    def dataset(self) -> str: ...


@runtime_checkable
class Compared(Protocol):
    """What a row says of a cell; `kind` is `defense` or `detector`."""

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
    def given(self) -> Given: ...
    @property
    def study(self) -> Plan: ...


Cells = Sequence[tuple[Compared, Record]]


def defense_rows(cells: Cells) -> list[Row]:
    """A row for each cell of a defence, in their order."""
    return [_defended(cell, record) for cell, record in cells if cell.kind == "defense"]


def detector_rows(cells: Cells) -> list[Row]:
    """A row for each cell of a detector, in their order."""
    return [_examined(cell, record) for cell, record in cells if cell.kind == "detector"]


def defenses_csv(rows: Iterable[Row]) -> str:
    """Every defended victim; what a clean model scores beside it, where the study has one."""
    return csv_text(DEFENSE_COLUMNS, rows)


def detectors_csv(rows: Iterable[Row]) -> str:
    """Every examined victim."""
    return csv_text(DETECTOR_COLUMNS, rows)


def _defended(cell: Compared, record: Record) -> Row:
    outcome = record.metrics["outcome"]
    scored: dict[str, Mapping[str, Any]] = {
        "": outcome["after"],
        "_before": outcome["before"],
        "_clean": outcome.get("clean") or {},
    }
    return {
        **_cell(cell, record, "repair"),
        **{f"{s}{when}": digits(had.get(s)) for when, had in scored.items() for s in SCORES},
        "der": digits(outcome.get("der") if cell.rate else None),
    }


def _examined(cell: Compared, record: Record) -> Row:
    detected = record.metrics["detected"]
    return {
        **_cell(cell, record, "examine"),
        **{name: digits(detected.get(name)) for name in ("tpr", "fpr", "auroc")},
        "asr_before": digits(record.metrics["before"]["asr"]),
    }


def _cell(cell: Compared, record: Record, phase: str) -> Row:
    return {
        "method": cell.method,
        "given": str(cell.given),
        "attack": cell.attack,
        "dataset": cell.study.dataset,
        "rate": cell.rate,
        "seed": cell.seed,
        "seconds": round(record.seconds[phase], 1),
        "seconds_victim": round(record.seconds["victim"], 1),
        "commit": record.commit,
    }

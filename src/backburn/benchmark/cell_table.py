"""A study of BURN as CSV: one row for each cell."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..data.csv_cells import csv_text
from ..runs import Record
from .plan import Cell

COLUMNS = (
    "attack", "dataset", "arch", "rate", "seed", "method",
    "acc_before", "asr_before", "ra_before", "acc_after", "asr_after", "ra_after", "der",
    "acc_clean", "asr_clean", "ra_clean", "auroc", "tpr", "fpr", "restored", "restored_easy",
    "verdict", "targets", "right", "seconds_victim", "seconds_repair", "commit",
)  # fmt: skip
SCORES = ("acc", "asr", "ra")


def summary_csv(cells: Sequence[tuple[Cell, Record]]) -> str:
    """One row for each cell; rates are fractions, empty where a figure does not apply."""
    return csv_text(COLUMNS, summary_rows(cells))


def summary_rows(cells: Sequence[tuple[Cell, Record]]) -> list[dict[str, Any]]:
    """The rows of `summary_csv`, as values by column."""
    return [_row(cell, record) for cell, record in cells]


def _row(cell: Cell, record: Record) -> dict[str, Any]:
    outcome = record.metrics["outcome"]
    before, after, detected = outcome["before"], outcome["after"], outcome["found"]
    clean = outcome.get("clean") or {}
    return {
        "attack": cell.attack,
        "dataset": cell.study.dataset,
        "arch": cell.study.recipe.architecture,
        "rate": cell.rate,
        "seed": cell.seed,
        "method": cell.method,
        **{f"{name}_before": rounded(before[name]) for name in SCORES},
        **{f"{name}_after": rounded(after[name]) for name in SCORES},
        "der": rounded(outcome.get("der") if cell.rate else None),
        **{f"{name}_clean": rounded(clean.get(name)) for name in SCORES},
        **{
            name: rounded(detected.get(name))
            for name in ("auroc", "tpr", "fpr", "restored", "restored_easy")
        },
        "verdict": outcome["verdict"],
        "targets": " ".join(map(str, outcome["target_labels"])),
        "right": _right(cell, outcome),
        "seconds_victim": round(record.seconds["victim"]),
        "seconds_repair": round(record.seconds["repair"]),
        "commit": record.commit,
    }


def _right(cell: Cell, outcome: Mapping[str, Any]) -> bool:
    """Whether the verdict is right: "clean", or "backdoored" with the right targets."""
    if cell.attack == "none":
        return bool(outcome["verdict"] == "clean")
    targets = outcome.get("aimed_at", [cell.study.target_label])  # older records lack the key
    return bool(outcome["verdict"] == "backdoored" and outcome["target_labels"] == targets)


def rounded(value: float | None, places: int = 4) -> float | str:
    """A number rounded for a table; empty if it is None or NaN.

    >>> rounded(0.123456)
    0.1235
    """
    return "" if value is None or math.isnan(value) else round(value, places)


def percent(value: float | str) -> str:
    """A fraction as text in per cent; a dash if it is no number.

    >>> percent(0.9432)
    '94.3'
    """
    return f"{100 * value:.1f}" if isinstance(value, float) else "-"

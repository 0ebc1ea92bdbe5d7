"""Tables from a study's records."""

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
    """One row a cell; fractions; empty where a figure does not apply."""
    return csv_text(COLUMNS, summary_rows(cells))


def summary_rows(cells: Sequence[tuple[Cell, Record]]) -> list[dict[str, Any]]:
    """What `summary_csv` writes, as values."""
    return [_row(cell, record) for cell, record in cells]


def _row(cell: Cell, record: Record) -> dict[str, Any]:
    outcome = record.metrics["outcome"]
    before, after, found = outcome["before"], outcome["after"], outcome["found"]
    clean = outcome.get("clean") or {}
    known = (*("auroc", "tpr", "fpr", "restored"), "restored_easy")
    return {
        "attack": cell.attack,
        "dataset": cell.study.dataset,
        "arch": cell.study.recipe.architecture,
        "rate": cell.rate,
        "seed": cell.seed,
        "method": cell.method,
        **{f"{name}_before": digits(before[name]) for name in SCORES},
        **{f"{name}_after": digits(after[name]) for name in SCORES},
        "der": digits(outcome.get("der") if cell.rate else None),
        **{f"{name}_clean": digits(clean.get(name)) for name in SCORES},
        **{name: digits(found.get(name)) for name in known},
        "verdict": outcome["verdict"],
        "targets": " ".join(map(str, outcome["target_labels"])),
        "right": _right(cell, outcome),
        "seconds_victim": round(record.seconds["victim"]),
        "seconds_repair": round(record.seconds["repair"]),
        "commit": record.commit,
    }


def _right(cell: Cell, outcome: Mapping[str, Any]) -> bool:
    """Whether a victim was called backdoored with its targets, or a clean model clean."""
    if cell.attack == "none":
        return bool(outcome["verdict"] == "clean")
    aimed_at = outcome.get("aimed_at", [cell.study.target_label])  # older records do not say
    return bool(outcome["verdict"] == "backdoored" and outcome["target_labels"] == aimed_at)


def digits(value: float | None, places: int = 4) -> float | str:
    """A figure for a table; empty where there is none."""
    return "" if value is None or math.isnan(value) else round(value, places)


def per_cent(value: float | str) -> str:
    """A fraction in per cent, or a dash where there is none."""
    return f"{100 * value:.1f}" if isinstance(value, float) else "-"

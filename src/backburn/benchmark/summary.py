"""Tables from a study's records."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..runs import Record
from .study import Cell

COLUMNS = (
    "attack", "dataset", "arch", "rate", "seed",
    "acc_before", "asr_before", "ra_before", "acc_after", "asr_after", "ra_after",
    "auroc", "tpr", "fpr", "restored", "verdict", "seconds_victim", "seconds_repair", "commit",
)  # fmt: skip


def summary_csv(cells: Sequence[tuple[Cell, Record]]) -> str:
    """One row a cell; fractions; empty where a figure does not apply."""
    return csv_text(COLUMNS, (_row(cell, record) for cell, record in cells))


def summary_markdown(cells: Sequence[tuple[Cell, Record]]) -> str:
    """The same for people: per cent, a row a cell."""
    head = (
        "| attack | ACC before | ASR before | RA before | ACC after | ASR after | RA after "
        "| suspects TPR | FPR | labels right | verdict |"
    )
    rows = [_row(cell, record) for cell, record in cells]
    shown = (*COLUMNS[5:11], "tpr", "fpr", "restored")
    lines = [
        f"| {row['attack']} | {' | '.join(per_cent(row[name]) for name in shown)} "
        f"| {row['verdict']} |"
        for row in rows
    ]
    return "\n".join([head, "|---" * 11 + "|", *lines]) + "\n"


def _row(cell: Cell, record: Record) -> dict[str, Any]:
    outcome = record.metrics["outcome"]
    before, after, found = outcome["before"], outcome["after"], outcome["found"]
    return {
        "attack": cell.attack,
        "dataset": cell.study.dataset,
        "arch": cell.study.recipe.architecture,
        "rate": cell.rate,
        "seed": cell.seed,
        **{f"{name}_before": digits(before[name]) for name in ("acc", "asr", "ra")},
        **{f"{name}_after": digits(after[name]) for name in ("acc", "asr", "ra")},
        **{name: digits(found[name]) for name in ("auroc", "tpr", "fpr", "restored")},
        "verdict": outcome["verdict"],
        "seconds_victim": round(record.seconds["victim"]),
        "seconds_repair": round(record.seconds["repair"]),
        "commit": record.commit,
    }


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV, with a head of the columns' names."""
    out = io.StringIO()
    table = csv.DictWriter(out, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def digits(value: float | None, places: int = 4) -> float | str:
    """A figure for a table; empty where there is none."""
    return "" if value is None or math.isnan(value) else round(value, places)


def per_cent(value: float | str) -> str:
    """A fraction in per cent, or a dash where there is none."""
    return f"{100 * value:.1f}" if isinstance(value, float) else "-"

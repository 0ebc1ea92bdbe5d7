"""A study as Markdown: a row for each method, attack and rate, averaged over seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean, stdev
from typing import Any

from ..runs import Record
from .cell_table import summary_rows
from .plan import Cell

TABLE_COLUMNS = {
    "ACC before": "acc_before",
    "ASR before": "asr_before",
    "ACC after": "acc_after",
    "ASR after": "asr_after",
    "ASR clean": "asr_clean",
    "RA after": "ra_after",
    "RA clean": "ra_clean",
    "DER": "der",
    "TPR": "tpr",
    "FPR": "fpr",
    "labels right": "restored_easy",
}
MIN_ASR = 0.5
"""An attack with a lower ASR counts as failed."""
Row = dict[str, Any]


def summary_markdown(cells: Sequence[tuple[Cell, Record]]) -> str:
    """The summary of a study of BURN, as a Markdown table.

    Rates are in per cent: the mean and, from two seeds on, the standard deviation. The last rows
    are means over the victims. Columns that need an explanation:

    - "ASR clean" and "RA clean": the scores of a model trained on clean images.
    - "labels right": share of right restored labels, among the poison that the clean model
      classifies correctly, or among all poison without a clean model.
    - "cost": time of the repair over time of the victim's training.
    - "verdict": cells with the right verdict, "backdoored" with the right targets or "clean". It
      is in brackets where an attack failed.
    """
    return "\n".join(_lines(sorted(summary_rows(cells), key=_group))) + "\n"


def commits_markdown(cells: Sequence[tuple[Cell, Record]]) -> str:
    """The cells of each commit, as a Markdown table: a resumed study may have several commits."""
    cells_by_commit: dict[str, list[str]] = {}
    for cell, record in cells:
        cells_by_commit.setdefault(record.commit or "none", []).append(cell.name)
    rows = [("commit", "cells"), ("---", "---")]
    rows += [(commit, ", ".join(names)) for commit, names in cells_by_commit.items()]
    return "\n".join(map(table_line, rows)) + "\n"


def _lines(rows: Sequence[Row]) -> list[str]:
    head = ["method", "attack", "poison", "cells", *TABLE_COLUMNS, "cost", "verdict"]
    lines = [table_line(head), table_line(["---"] * len(head))]
    for (method, attack, rate), group in groupby(rows, key=_group):
        poison = f"{100 * rate:.3g} %" if rate else "-"
        lines.append(table_line([method, attack, poison, *_figures(list(group))]))
    for method in sorted({row["method"] for row in rows}):
        victims = [row for row in rows if row["method"] == method and attack_worked(row)]
        if victims:
            lines.append(table_line([method, "**mean**", "", *_figures(victims)]))
    return lines


def _group(row: Row) -> tuple[str, str, float]:
    return row["method"], row["attack"], row["rate"]


def table_line(cells: Iterable[str]) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def _figures(rows: list[Row]) -> list[str]:
    restored = [
        row["restored"] if row["restored_easy"] == "" else row["restored_easy"] for row in rows
    ]
    rows = [{**row, "restored_easy": share} for row, share in zip(rows, restored, strict=True)]
    scores = [mean_and_deviation([row[name] for row in rows]) for name in TABLE_COLUMNS.values()]
    cost = fmean(row["seconds_repair"] / max(1, row["seconds_victim"]) for row in rows)
    right = f"{sum(row['right'] for row in rows)} of {len(rows)}"
    none_failed = all(attack_worked(row) or not row["rate"] for row in rows)
    return [str(len(rows)), *scores, f"{cost:.2f}", right if none_failed else f"({right})"]


def attack_worked(row: Mapping[str, Any]) -> bool:
    """Whether the model has a backdoor: it was attacked, and its ASR is at least `MIN_ASR`.

    >>> attack_worked({"rate": 0.05, "asr_before": 0.98})
    True
    """
    return bool(row["rate"]) and float(row["asr_before"]) >= MIN_ASR


def mean_and_deviation(values: Sequence[float | str]) -> str:
    """Mean and standard deviation in per cent; a dash if no value is a number.

    >>> mean_and_deviation([0.5, 0.7, ""])
    '60.0 ± 14.1'
    """
    shares = [100 * value for value in values if isinstance(value, float) and not math.isnan(value)]
    if not shares:
        return "-"
    return f"{fmean(shares):.1f}" + (f" ± {stdev(shares):.1f}" if len(shares) > 1 else "")

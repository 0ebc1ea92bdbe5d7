"""The table for people: a row for each method, attack and rate, averaged over the seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from statistics import fmean, stdev
from typing import Any

from ..runs import Record
from .plan import Cell
from .summary import summary_rows

SHOWN = {
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
WORKS = 0.5
"""ASR from which on an attack counts as one."""
Row = dict[str, Any]


def summary_markdown(cells: Sequence[tuple[Cell, Record]]) -> str:
    """Per cent; mean and, from two seeds on, standard deviation; `cost` is repair / victim.

    "verdict" counts the cells that were called backdoored with the right targets (clean ones:
    called clean). "ASR clean" and "RA clean" are those of a model trained on clean images; "labels
    right" counts the poison which that model gets right, or all poison where there is none. A model
    that its trigger works on less than half of the time is no victim: its verdict is in brackets.
    The last rows are means over the victims.
    """
    return "\n".join(_lines(sorted(summary_rows(cells), key=_group))) + "\n"


def commits_markdown(cells: Sequence[tuple[Cell, Record]]) -> str:
    """Which cells were made at which commit: a study that was gone on with may have several."""
    made: dict[str, list[str]] = {}
    for cell, record in cells:
        made.setdefault(record.commit or "none", []).append(cell.name)
    rows = [("commit", "cells"), ("---", "---")]
    rows += [(commit, ", ".join(names)) for commit, names in made.items()]
    return "\n".join(map(_line, rows)) + "\n"


def _lines(rows: Sequence[Row]) -> list[str]:
    head = ["method", "attack", "poison", "cells", *SHOWN, "cost", "verdict"]
    lines = [_line(head), _line(["---"] * len(head))]
    for (method, attack, rate), group in groupby(rows, key=_group):
        poison = f"{100 * rate:.3g} %" if rate else "-"
        lines.append(_line([method, attack, poison, *_figures(list(group))]))
    for method in sorted({row["method"] for row in rows}):
        attacked = [row for row in rows if row["method"] == method and has_worked(row)]
        if attacked:
            lines.append(_line([method, "**mean**", "", *_figures(attacked)]))
    return lines


def _group(row: Row) -> tuple[str, str, float]:
    return row["method"], row["attack"], row["rate"]


def _line(parts: Iterable[str]) -> str:
    return f"| {' | '.join(parts)} |"


def _figures(rows: list[Row]) -> list[str]:
    known = [
        row["restored"] if row["restored_easy"] == "" else row["restored_easy"] for row in rows
    ]
    rows = [{**row, "restored_easy": share} for row, share in zip(rows, known, strict=True)]
    shown = [spread([row[name] for row in rows]) for name in SHOWN.values()]
    cost = fmean(row["seconds_repair"] / max(1, row["seconds_victim"]) for row in rows)
    right = f"{sum(row['right'] for row in rows)} of {len(rows)}"
    counted = all(has_worked(row) or not row["rate"] for row in rows)
    return [str(len(rows)), *shown, f"{cost:.2f}", right if counted else f"({right})"]


def has_worked(row: Mapping[str, Any]) -> bool:
    """Whether there is a backdoor to be found: the attack has worked."""
    return bool(row["rate"]) and float(row["asr_before"]) >= WORKS


def spread(values: Sequence[float | str]) -> str:
    """Mean and standard deviation in per cent; a dash where there is nothing."""
    known = [100 * value for value in values if isinstance(value, float) and not math.isnan(value)]
    if not known:
        return "-"
    return f"{fmean(known):.1f}" + (f" ± {stdev(known):.1f}" if len(known) > 1 else "")

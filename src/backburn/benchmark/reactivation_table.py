"""Tables of the retuning attack: one row for each repaired model and number of triggered images."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from ..data.csv_cells import csv_text
from .averaged_tables import mean_and_deviation, table_line
from .cell_table import SCORES, rounded
from .comparison.cell_rows import Cells
from .comparison.victims import (
    Row,
    figure_of,
    method_names,
    rows_of_victims,
    setting_name,
    setting_of,
    victim_of,
)

CONTROL = "retrain"
"""The method that never saw the backdoor."""
COLUMNS = (
    "method", "given", "attack", "dataset", "rate", "seed", "images", "clean", "scored",
    "acc", "asr", "ra", "asr_control", "acc_repaired", "asr_repaired", "asr_before", "commit",
)  # fmt: skip
NOTES = (
    "Per cent; mean ± standard deviation over the victims, whose repaired models are fine-tuned on "
    "clean images and so many triggered ones with the target label. Scored are triggered images "
    "that no model has seen.",
    "Repaired: before any fine-tuning. 0: fine-tuned on clean images alone.",
    "Excess: ASR minus that of the control on the same victim, mean over all numbers of triggered "
    "images but 0; in points.",
)


def reactivation_tables(cells: Cells) -> dict[str, str]:
    """The tables by file name; empty if no repaired model was fine-tuned.

    `reactivation.csv` has all rows, `reactivation.md` the means over all victims, and
    `reactivation-attacks.md` those of each attack.
    """
    rows = reactivation_rows(cells)
    if not rows:
        return {}
    return {
        "reactivation.csv": csv_text(COLUMNS, rows),
        "reactivation.md": reactivation_markdown(rows),
        "reactivation-attacks.md": attacks_markdown(rows),
    }


def reactivation_rows(cells: Cells) -> list[Row]:
    """A row for each repaired model and number of triggered images; rates are fractions.

    `asr_control` is the ASR of the control after the same fine-tuning on the same victim. It is
    empty if the study does not have the control.
    """
    rows = [row for cell, record in cells for row in _rows_of_cell(cell, record)]
    control = {_key(row): row["asr"] for row in rows if row["method"] == CONTROL}
    return [{**row, "asr_control": control.get(_key(row), "")} for row in rows]


def _key(row: Row) -> tuple[Any, int]:
    return victim_of(row), row["images"]


def _rows_of_cell(cell: Any, record: Any) -> list[Row]:
    outcome = record.metrics.get("outcome") or {}
    tested = outcome.get("reactivation")
    if not tested:
        return []
    shared = {
        "method": cell.method,
        "given": str(cell.inputs),
        "attack": cell.attack,
        "dataset": cell.study.dataset,
        "rate": cell.rate,
        "seed": cell.seed,
        "clean": tested["clean"],
        "scored": tested["scored"],
        "acc_repaired": rounded(tested["repaired"]["acc"]),
        "asr_repaired": rounded(tested["repaired"]["asr"]),
        "asr_before": rounded(outcome["before"]["asr"]),
        "commit": record.commit,
    }
    return [
        {
            **shared,
            "images": point["images"],
            **{name: rounded(point["scores"][name]) for name in SCORES},
        }
        for point in tested["curve"]
    ]


def reactivation_markdown(rows: Sequence[Row]) -> str:
    """ASR by number of triggered images, over all victims, and how to read it."""
    counted = rows_of_victims(rows)
    notes = "\n".join(f"- {note}" for note in NOTES)
    return f"{_table(counted)}\n\n{notes}\n"


def attacks_markdown(rows: Sequence[Row]) -> str:
    """ASR by number of triggered images, for each attack."""
    counted = rows_of_victims(rows)
    settings = sorted({setting_of(row) for row in counted})
    tables = {s: [row for row in counted if setting_of(row) == s] for s in settings}
    sections = [f"### {setting_name(s)}\n\n{_table(own)}\n" for s, own in tables.items()]
    return "\n".join(sections)


def order_of(rows: Sequence[Row]) -> list[str]:
    """The methods by mean excess over the control, then by ASR; least first, the control last."""

    def key(method: str) -> tuple[bool, float, float]:
        own = [row for row in rows if row["method"] == method]
        return method == CONTROL, _mean_excess(own) or 0.0, fmean(row["asr"] for row in own)

    return sorted(method_names(rows), key=key)


def excess_over_control(rows: Sequence[Row]) -> list[float]:
    """ASR minus the control's, of each victim, as means over its numbers of images above 0."""
    by_victim: dict[Any, list[float]] = {}
    for row in rows:
        control = figure_of(row, "asr_control")
        if control is not None and row["images"]:
            by_victim.setdefault(victim_of(row), []).append(row["asr"] - control)
    return [fmean(values) for values in by_victim.values()]


def _mean_excess(rows: Sequence[Row]) -> float | None:
    values = excess_over_control(rows)
    return fmean(values) if values else None


def _table(rows: Sequence[Row]) -> str:
    counts = sorted({row["images"] for row in rows})
    head = ["method", "given", "victims", "repaired", *map(str, counts), "excess"]
    lines = [table_line(head), table_line(["---"] * len(head))]
    return "\n".join(lines + [_method_line(rows, name, counts) for name in order_of(rows)])


def _method_line(rows: Sequence[Row], method: str, counts: Sequence[int]) -> str:
    own = [row for row in rows if row["method"] == method]
    victims = {victim_of(row): row for row in own}
    by_count = [[row["asr"] for row in own if row["images"] == count] for count in counts]
    excess = "control" if method == CONTROL else mean_and_deviation(excess_over_control(own))
    return table_line(
        [
            method,
            own[0]["given"],
            str(len(victims)),
            mean_and_deviation([row["asr_repaired"] for row in victims.values()]),
            *map(mean_and_deviation, by_count),
            excess,
        ]
    )

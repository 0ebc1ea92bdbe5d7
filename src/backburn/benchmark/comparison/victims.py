"""The victim that a row is about, and which rows count."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from ...registry import ORACLES
from ..averaged_tables import MIN_ASR

Row = dict[str, Any]
Victim = tuple[str, str, float, int]
"""Data set, attack, rate, seed."""
Setting = tuple[str, float]
"""Attack and rate, which victims of several seeds share."""
OURS = "default"
CEILINGS = ("retrain", *ORACLES)
"""Methods that use what no defender has. They are shown apart and not ranked."""


def victim_of(row: Row) -> Victim:
    """The victim that a row is about."""
    return row["dataset"], row["attack"], row["rate"], row["seed"]


def setting_of(row: Row) -> Setting:
    """The attack and rate of a row."""
    return row["attack"], row["rate"]


def setting_name(setting: Setting) -> str:
    """An attack and rate as text.

    >>> setting_name(("badnets", 0.05))
    'badnets 5 %'
    """
    return f"{setting[0]} {100 * setting[1]:.3g} %"


def failed_victims(rows: Iterable[Row]) -> frozenset[Victim]:
    """Victims on which the attack failed: its ASR is below `MIN_ASR`."""
    return frozenset(
        victim_of(row)
        for row in rows
        if row["rate"] and (figure_of(row, "asr_before") or 0.0) < MIN_ASR
    )


def rows_of_victims(rows: Sequence[Row]) -> list[Row]:
    """The rows that count: without clean models and without failed attacks."""
    failed = failed_victims(rows)
    return [row for row in rows if row["rate"] and victim_of(row) not in failed]


def rows_of_clean_models(rows: Iterable[Row]) -> list[Row]:
    """The rows of clean models."""
    return [row for row in rows if not row["rate"]]


def method_names(rows: Iterable[Row]) -> list[str]:
    """The methods, in the order of their first rows."""
    return list(dict.fromkeys(row["method"] for row in rows))


def figure_of(row: Row, column: str) -> float | None:
    """The number in a column; None where there is none.

    >>> figure_of({"acc": 0.9, "asr": ""}, "asr") is None
    True
    """
    value = row[column]
    return float(value) if isinstance(value, int | float) and not math.isnan(value) else None

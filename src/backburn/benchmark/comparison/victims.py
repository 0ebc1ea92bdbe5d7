"""Which rows count: those of victims, on which there is a backdoor to be found."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from ..averages import WORKS

Row = dict[str, Any]
Victim = tuple[str, str, float, int]
"""Data set, attack, rate, seed."""
OURS = "default"
CEILINGS = ("retrain",)
"""Methods that are given what nobody has: they are no rivals, and stand apart."""


def victim_of(row: Row) -> Victim:
    """The victim that a row is about."""
    return row["dataset"], row["attack"], row["rate"], row["seed"]


def setting_of(row: Row) -> tuple[str, float]:
    """Attack and rate, which the seeds share."""
    return row["attack"], row["rate"]


def setting_name(setting: tuple[str, float]) -> str:
    """The same for people."""
    return f"{setting[0]} {100 * setting[1]:.3g} %"


def failed_of(rows: Iterable[Row]) -> frozenset[Victim]:
    """Victims whose trigger works less than half of the time: the attack failed."""
    return frozenset(
        victim_of(row) for row in rows if row["rate"] and (known(row, "asr_before") or 0.0) < WORKS
    )


def counted(rows: Sequence[Row]) -> list[Row]:
    """The rows of victims: neither of clean models, nor of attacks that failed."""
    failed = failed_of(rows)
    return [row for row in rows if row["rate"] and victim_of(row) not in failed]


def clean(rows: Iterable[Row]) -> list[Row]:
    """The rows of clean models."""
    return [row for row in rows if not row["rate"]]


def methods_of(rows: Iterable[Row]) -> list[str]:
    """The methods in the order they appear."""
    return list(dict.fromkeys(row["method"] for row in rows))


def known(row: Row, column: str) -> float | None:
    """A figure of a row; None where it does not apply."""
    value = row[column]
    return float(value) if isinstance(value, int | float) and not math.isnan(value) else None

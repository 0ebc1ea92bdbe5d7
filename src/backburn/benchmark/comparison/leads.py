"""Where other methods do better than ours: a sentence an attack."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from .columns import DER, RA, Column
from .victims import (
    CEILINGS,
    OURS,
    Row,
    Victim,
    known,
    methods_of,
    setting_name,
    setting_of,
    victim_of,
)


@dataclass(frozen=True, slots=True)
class Lead:
    """A method that is first, what it has, and what ours has on the same victims."""

    method: str
    theirs: float
    ours: float


def lead_sentences(rows: Sequence[Row]) -> list[str]:
    """One for each attack and rate on which another method than ours is first in DER or RA.

    A method is compared over the seeds that both have, to the places that are shown; ceilings are
    no rivals. Where no attack is such, one sentence says so; without rows of ours there is none.
    """
    if OURS not in methods_of(rows):
        return []
    settings = sorted({setting_of(row) for row in rows})
    said = [
        _sentence(setting, [r for r in rows if setting_of(r) == setting]) for setting in settings
    ]
    none = f"On no attack does another method than {OURS} have the higher DER or RA."
    return [sentence for sentence in said if sentence] or [none]


def _sentence(setting: tuple[str, float], rows: Sequence[Row]) -> str:
    """What is ahead on one attack and rate; nothing where ours is first."""
    parts, before = [], ""
    for column in (DER, RA):
        found = first(rows, column)
        if found is not None:
            who = f"{found.method} has " if found.method != before else ""
            theirs, ours = column.shown(found.theirs), column.shown(found.ours)
            parts.append(f"{who}the higher {column.title}: {theirs} against {ours}")
            before = found.method
    return f"On {setting_name(setting)} {', and '.join(parts)}." if parts else ""


def first(rows: Sequence[Row], column: Column) -> Lead | None:
    """The best of the methods that have more than ours on these rows; None where none has."""
    had: dict[str, dict[Victim, float]] = {}
    for row in rows:
        value = known(row, column.name)
        if value is not None:
            had.setdefault(row["method"], {})[victim_of(row)] = value
    ours = had.pop(OURS, {})
    leads = []
    for method, theirs in had.items():
        both = [victim for victim in theirs if victim in ours]
        if both and method not in CEILINGS:
            lead = Lead(method, fmean(theirs[v] for v in both), fmean(ours[v] for v in both))
            leads += [lead] if _is_more(lead, column) else []
    return max(leads, key=lambda lead: lead.theirs, default=None)


def _is_more(lead: Lead, column: Column) -> bool:
    return float(column.shown(lead.theirs)) > float(column.shown(lead.ours))

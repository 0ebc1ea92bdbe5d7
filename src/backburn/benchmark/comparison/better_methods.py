"""Where another method does better than ours: one sentence for each attack."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from .columns import DER, RA, Column
from .victims import (
    CEILINGS,
    OURS,
    Row,
    Setting,
    Victim,
    figure_of,
    method_names,
    setting_name,
    setting_of,
    victim_of,
)


@dataclass(frozen=True, slots=True)
class Lead:
    """A method that is ahead of ours: its mean and ours on the same victims."""

    method: str
    value: float
    ours: float


def lead_sentences(rows: Sequence[Row]) -> list[str]:
    """One sentence for each attack and rate on which another method leads in DER or RA.

    Methods are compared over the seeds that both have, to the decimals shown; ceilings are left
    out. If no method leads anywhere, one sentence says so. Without rows of ours the list is empty.
    """
    if OURS not in method_names(rows):
        return []
    settings = sorted({setting_of(row) for row in rows})
    sentences = [
        _sentence(setting, [row for row in rows if setting_of(row) == setting])
        for setting in settings
    ]
    no_lead = f"On no attack does another method than {OURS} have the higher DER or RA."
    return [sentence for sentence in sentences if sentence] or [no_lead]


def _sentence(setting: Setting, rows: Sequence[Row]) -> str:
    """What is ahead on one attack and rate; empty where ours is."""
    parts, previous = [], ""
    for column in (DER, RA):
        lead = best_rival(rows, column)
        if lead is not None:
            subject = f"{lead.method} has " if lead.method != previous else ""
            value, ours = column.format(lead.value), column.format(lead.ours)
            parts.append(f"{subject}the higher {column.title}: {value} against {ours}")
            previous = lead.method
    return f"On {setting_name(setting)} {', and '.join(parts)}." if parts else ""


def best_rival(rows: Sequence[Row], column: Column) -> Lead | None:
    """The best of the methods that are ahead of ours on these rows; None where none is."""
    values: dict[str, dict[Victim, float]] = {}
    for row in rows:
        value = figure_of(row, column.name)
        if value is not None:
            values.setdefault(row["method"], {})[victim_of(row)] = value
    ours = values.pop(OURS, {})
    leads = []
    for method, rival in values.items():
        shared = [victim for victim in rival if victim in ours]
        if shared and method not in CEILINGS:
            lead = Lead(method, fmean(rival[v] for v in shared), fmean(ours[v] for v in shared))
            leads += [lead] if _is_ahead(lead, column) else []
    return max(leads, key=lambda lead: lead.value, default=None)


def _is_ahead(lead: Lead, column: Column) -> bool:
    return float(column.format(lead.value)) > float(column.format(lead.ours))

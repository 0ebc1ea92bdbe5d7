"""What has to be known to read the main tables."""

from collections.abc import Collection, Sequence
from statistics import fmean

from .columns import ACC, ASR, RA, Column
from .ranks import Ranks, mean_ranks
from .victims import (
    CEILINGS,
    Row,
    Victim,
    counted,
    failed_of,
    known,
    methods_of,
    setting_name,
    victim_of,
)

INTERVALS = (
    "Per cent; mean [95 % interval], bootstrapped over attacks, not over their seeds, and left out "
    "where there is one attack only. "
)


def defense_notes(rows: Sequence[Row]) -> list[str]:
    """How the means, the ranks and the cost are to be read, and what is missing."""
    held = counted(rows)
    said = INTERVALS + "Cost: seconds of the repair for each second of the victim's training."
    missing = _of_missing(methods_of(rows), held)
    lines = [
        said,
        _before(held),
        _of_ranks(mean_ranks(held)),
        *missing,
        *_of_failed(failed_of(rows)),
    ]
    ceilings = [name for name in methods_of(rows) if name in CEILINGS]
    lines += [f"{name}: a ceiling, not ranked: it is given what nobody has." for name in ceilings]
    return _listed(lines)


def detector_notes(rows: Sequence[Row]) -> list[str]:
    """The same for detectors."""
    lines = [INTERVALS + "Cost: seconds of the examination for each second of training."]
    lines += _of_missing(methods_of(rows), counted(rows))
    return _listed([*lines, *_of_failed(failed_of(rows))])


def _listed(lines: Sequence[str]) -> list[str]:
    return [f"- {line}" for line in lines if line]


def _before(held: Sequence[Row]) -> str:
    """The victims as they are."""
    victims = {victim_of(row): row for row in held}

    def mean(column: Column) -> str:
        found = [known(row, f"{column.name}_before") for row in victims.values()]
        values = [value for value in found if value is not None]
        return f"{column.title} {column.shown(fmean(values)) if values else '-'}"

    shown = ", ".join(map(mean, (ACC, ASR, RA)))
    return f"The {len(victims)} victims before any repair: {shown}." if victims else ""


def _of_ranks(ranks: Ranks | None) -> str:
    if ranks is None:
        return "No ranks: there is no victim that two methods or more all have."
    said = (
        f"Mean rank: by DER, over the {ranks.victims} of {ranks.of} victims that all "
        f"{len(ranks.mean)} ranked methods have, of {ranks.attacks} "
        f"attack{'s' if ranks.attacks > 1 else ''}."
    )
    if ranks.p_value is not None:
        said += f" Friedman's test over the attacks: p = {ranks.p_value:.2g}."
    if ranks.critical_difference is not None:
        said += f" Nemenyi's critical difference at .05: {ranks.critical_difference:.2f} ranks."
    return said


def _of_missing(methods: Sequence[str], held: Sequence[Row]) -> list[str]:
    """The victims that each method has no finished cell of."""
    every = {victim_of(row) for row in held}
    had = {m: {victim_of(row) for row in held if row["method"] == m} for m in methods}
    return [
        f"Missing: {method} on {len(every - victims)} of {len(every)} victims "
        f"({_named(sorted(every - victims))})."
        for method, victims in had.items()
        if every - victims
    ]


def _of_failed(failed: Collection[Victim]) -> list[str]:
    if not failed:
        return []
    return [f"Not counted, since the attack failed (ASR below 50 %): {_named(sorted(failed))}."]


def _named(victims: Sequence[Victim]) -> str:
    """Attacks and rates with their seeds."""
    seeds: dict[tuple[str, float], list[int]] = {}
    for _, attack, rate, seed in victims:
        seeds.setdefault((attack, rate), []).append(seed)
    return ", ".join(
        f"{setting_name(setting)} seed{'s' if len(each) > 1 else ''} {' '.join(map(str, each))}"
        for setting, each in seeds.items()
    )

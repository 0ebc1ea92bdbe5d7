"""The notes below the main tables: how to read them, and what is missing."""

from collections.abc import Collection, Sequence
from statistics import fmean

from ...registry import ORACLES
from .columns import ACC, ASR, RA, Column
from .ranks import MeanRanks, mean_ranks
from .victims import (
    CEILINGS,
    Row,
    Setting,
    Victim,
    failed_victims,
    figure_of,
    method_names,
    rows_of_victims,
    setting_name,
    victim_of,
)

INTERVALS = (
    "Per cent; mean [95 % interval], bootstrapped over attacks, not over their seeds, and left out "
    "where there is one attack only. "
)


def defense_notes(rows: Sequence[Row]) -> list[str]:
    """How to read the means, ranks and cost of defenses, and what is missing."""
    counted = rows_of_victims(rows)
    lines = [
        INTERVALS + "Cost: seconds of the repair for each second of the victim's training.",
        _scores_before(counted),
        _rank_note(mean_ranks(counted)),
        *_missing_notes(method_names(rows), counted),
        *_failed_note(failed_victims(rows)),
    ]
    lines += [_ceiling_note(name) for name in method_names(rows) if name in CEILINGS]
    return _bullets(lines)


def _ceiling_note(name: str) -> str:
    if name in ORACLES:
        return f"{name}: an oracle, not ranked: the test images with triggers choose its result."
    return f"{name}: a ceiling, not ranked: it is given what nobody has."


def detector_notes(rows: Sequence[Row]) -> list[str]:
    """How to read the means and cost of detectors, and what is missing."""
    lines = [INTERVALS + "Cost: seconds of the examination for each second of training."]
    lines += _missing_notes(method_names(rows), rows_of_victims(rows))
    return _bullets([*lines, *_failed_note(failed_victims(rows))])


def _bullets(lines: Sequence[str]) -> list[str]:
    return [f"- {line}" for line in lines if line]


def _scores_before(counted: Sequence[Row]) -> str:
    """The mean scores of the victims before any repair."""
    victims = {victim_of(row): row for row in counted}

    def mean(column: Column) -> str:
        figures = [figure_of(row, f"{column.name}_before") for row in victims.values()]
        values = [value for value in figures if value is not None]
        return f"{column.title} {column.format(fmean(values)) if values else '-'}"

    means = ", ".join(map(mean, (ACC, ASR, RA)))
    return f"The {len(victims)} victims before any repair: {means}." if victims else ""


def _rank_note(ranks: MeanRanks | None) -> str:
    if ranks is None:
        return "No ranks: there is no victim that two methods or more all have."
    note = (
        f"Mean rank: by DER, over the {ranks.victims} of {ranks.total} victims that all "
        f"{len(ranks.mean)} ranked methods have, of {ranks.attacks} "
        f"attack{'s' if ranks.attacks > 1 else ''}."
    )
    if ranks.p_value is not None:
        note += f" Friedman's test over the attacks: p = {ranks.p_value:.2g}."
    if ranks.critical_difference is not None:
        note += f" Nemenyi's critical difference at .05: {ranks.critical_difference:.2f} ranks."
    return note


def _missing_notes(methods: Sequence[str], counted: Sequence[Row]) -> list[str]:
    """The victims on which a method has no finished cell, for each such method."""
    all_victims = {victim_of(row) for row in counted}
    finished = {
        method: {victim_of(row) for row in counted if row["method"] == method} for method in methods
    }
    return [
        f"Missing: {method} on {len(all_victims - victims)} of {len(all_victims)} victims "
        f"({_victim_names(sorted(all_victims - victims))})."
        for method, victims in finished.items()
        if all_victims - victims
    ]


def _failed_note(failed: Collection[Victim]) -> list[str]:
    if not failed:
        return []
    names = _victim_names(sorted(failed))
    return [f"Not counted, since the attack failed (ASR below 50 %): {names}."]


def _victim_names(victims: Sequence[Victim]) -> str:
    """Attacks and rates with their seeds."""
    seeds_by_setting: dict[Setting, list[int]] = {}
    for _, attack, rate, seed in victims:
        seeds_by_setting.setdefault((attack, rate), []).append(seed)
    return ", ".join(
        f"{setting_name(setting)} seed{'s' if len(seeds) > 1 else ''} {' '.join(map(str, seeds))}"
        for setting, seeds in seeds_by_setting.items()
    )

"""Methods ranked on the victims that all of them have, and which of them can be told apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from .victims import CEILINGS, Row, Victim, known, methods_of, victim_of

LEVEL = 0.05
PLACES = 6
"""Means of an attack are compared to so many places: what rounding adds is no difference."""
Table = dict[str, dict[Victim, float]]


@dataclass(frozen=True, slots=True)
class Ranks:
    """Mean ranks by method, best (lowest) first, over `victims` of `of` that are counted.

    `attacks` is how many attacks these victims are of. `p_value` is Friedman's (None of fewer than
    three methods or two attacks, or where all methods tie everywhere), `critical_difference` how
    far two mean ranks must be apart to differ at the level of .05 by Nemenyi's test (None of one
    attack).
    """

    mean: Mapping[str, float]
    victims: int
    of: int
    attacks: int
    p_value: float | None
    critical_difference: float | None


def mean_ranks(rows: Sequence[Row], column: str = "der", lower: bool = False) -> Ranks | None:
    """Rank the methods of `rows` on each victim that all of them have; None without such a victim.

    Equal figures share their mean rank. Ceilings are not ranked. The tests take attacks for
    independent, not victims: Friedman's has a block an attack, the mean of its victims, and
    Nemenyi's counts attacks, of which each holds for as much as one victim however many it has.
    With one victim an attack these are the tests as published; with more they are conservative.

    Args:
        column: the figure that is ranked, the highest first, or the lowest where `lower`.
    Source: Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 2006.
    Departures: ranks are averaged over the victims, which differ in number from attack to attack.
    """
    methods = [name for name in methods_of(rows) if name not in CEILINGS]
    table: Table = {name: {} for name in methods}
    for row in rows:
        value = known(row, column)
        if value is not None and row["method"] in table:
            table[row["method"]][victim_of(row)] = value if lower else -value
    every = dict.fromkeys(victim for had in table.values() for victim in had)
    shared = [victim for victim in every if all(victim in had for had in table.values())]
    if len(methods) < 2 or not shared:
        return None
    ranks = stats.rankdata([[table[m][v] for m in methods] for v in shared], axis=1).mean(0)
    attacks = _by_attack(table, shared)
    return Ranks(
        mean={methods[place]: float(ranks[place]) for place in np.argsort(ranks, kind="stable")},
        victims=len(shared),
        of=len(every),
        attacks=len(attacks),
        p_value=_friedman(attacks),
        critical_difference=_critical_difference(len(methods), len(attacks)),
    )


def nemenyi(ranks: Ranks) -> NDArray[np.float64]:
    """p-values of each pair, in the order of `ranks.mean`: whether the methods are alike."""
    means, count = np.array(list(ranks.mean.values())), len(ranks.mean)
    apart = np.abs(means[:, None] - means) / _standard_error(count, ranks.attacks)
    found: NDArray[np.float64] = stats.studentized_range.sf(apart * np.sqrt(2), count, np.inf)
    np.fill_diagonal(found, 1)
    return found


def _by_attack(table: Table, shared: Sequence[Victim]) -> NDArray[np.float64]:
    """The mean of every attack (rows) and method (columns)."""
    groups: dict[str, list[Victim]] = {}
    for victim in shared:
        groups.setdefault(victim[1], []).append(victim)
    return np.array(
        [
            [round(fmean(had[victim] for victim in group), PLACES) for had in table.values()]
            for group in groups.values()
        ]
    )


def _friedman(attacks: NDArray[np.float64]) -> float | None:
    if attacks.shape[0] < 2 or attacks.shape[1] < 3 or not np.ptp(attacks, axis=1).any():
        return None
    return float(stats.friedmanchisquare(*attacks.T).pvalue)


def _critical_difference(methods: int, attacks: int) -> float | None:
    if attacks < 2:
        return None
    quantile = stats.studentized_range.ppf(1 - LEVEL, methods, np.inf) / np.sqrt(2)
    return float(quantile) * _standard_error(methods, attacks)


def _standard_error(methods: int, attacks: int) -> float:
    """Of the difference of two mean ranks."""
    return float(np.sqrt(methods * (methods + 1) / (6 * attacks)))

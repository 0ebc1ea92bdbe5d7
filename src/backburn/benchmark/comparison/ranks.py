"""Mean ranks of methods on the victims that all of them have, and which ranks differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from .victims import CEILINGS, Row, Victim, figure_of, method_names, victim_of

SIGNIFICANCE = 0.05
DECIMALS = 6
"""Means of an attack are compared to this many decimals, so that rounding makes no difference."""
ValuesByMethod = dict[str, dict[Victim, float]]


@dataclass(frozen=True, slots=True)
class MeanRanks:
    """Mean ranks of methods, and the tests of their differences.

    Attributes:
        mean: mean rank by method, best (lowest) first.
        victims: how many victims all methods have.
        total: how many victims any method has.
        attacks: how many attacks the shared victims are of.
        p_value: Friedman's test. None with fewer than three methods or two attacks, or if all
            methods tie everywhere.
        critical_difference: how far two mean ranks must be apart to differ at the level of .05
            by Nemenyi's test. None with one attack.
    """

    mean: Mapping[str, float]
    victims: int
    total: int
    attacks: int
    p_value: float | None
    critical_difference: float | None


def mean_ranks(rows: Sequence[Row], column: str = "der", lower: bool = False) -> MeanRanks | None:
    """Rank the methods on each victim that all of them have, and average the ranks.

    Equal values share their mean rank. Ceilings are not ranked. The tests take attacks, not
    victims, for independent. A block of Friedman's test is an attack: the mean of its victims.
    Nemenyi's test counts attacks, so each counts as one victim however many it has. With one
    victim per attack these are the tests as published; with more they are conservative.

    Args:
        column: the figure that is ranked.
        lower: whether lower values are better.
    Returns:
        None with fewer than two methods, or if no victim is shared.
    Source: Demsar, Statistical comparisons of classifiers over multiple data sets, JMLR 2006.
    Departures: ranks are averaged over the victims, which differ in number from attack to attack.
    """
    methods = [name for name in method_names(rows) if name not in CEILINGS]
    table: ValuesByMethod = {name: {} for name in methods}
    for row in rows:
        value = figure_of(row, column)
        if value is not None and row["method"] in table:
            table[row["method"]][victim_of(row)] = value if lower else -value
    victims = dict.fromkeys(victim for values in table.values() for victim in values)
    shared = [victim for victim in victims if all(victim in values for values in table.values())]
    if len(methods) < 2 or not shared:
        return None
    ranks = stats.rankdata([[table[m][v] for m in methods] for v in shared], axis=1).mean(0)
    attacks = _means_of_attacks(table, shared)
    return MeanRanks(
        mean={methods[i]: float(ranks[i]) for i in np.argsort(ranks, kind="stable")},
        victims=len(shared),
        total=len(victims),
        attacks=len(attacks),
        p_value=_friedman(attacks),
        critical_difference=_critical_difference(len(methods), len(attacks)),
    )


def nemenyi_p_values(ranks: MeanRanks) -> NDArray[np.float64]:
    """p-values `(methods, methods)` of Nemenyi's test, in the order of `ranks.mean`."""
    means, count = np.array(list(ranks.mean.values())), len(ranks.mean)
    differences = np.abs(means[:, None] - means) / _standard_error(count, ranks.attacks)
    p_values: NDArray[np.float64] = stats.studentized_range.sf(
        differences * np.sqrt(2), count, np.inf
    )
    np.fill_diagonal(p_values, 1)
    return p_values


def _means_of_attacks(table: ValuesByMethod, shared: Sequence[Victim]) -> NDArray[np.float64]:
    """The mean of every attack (rows) and method (columns)."""
    groups: dict[str, list[Victim]] = {}
    for victim in shared:
        groups.setdefault(victim[1], []).append(victim)
    return np.array(
        [
            [
                round(fmean(values[victim] for victim in group), DECIMALS)
                for values in table.values()
            ]
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
    quantile = stats.studentized_range.ppf(1 - SIGNIFICANCE, methods, np.inf) / np.sqrt(2)
    return float(quantile) * _standard_error(methods, attacks)


def _standard_error(methods: int, attacks: int) -> float:
    """The standard error of the difference of two mean ranks."""
    return float(np.sqrt(methods * (methods + 1) / (6 * attacks)))

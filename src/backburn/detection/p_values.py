"""P-values of test statistics, from a null distribution of the same case's own groups.

Source: empirical calibration by negative controls, Schuemie et al., Statistics in Medicine 2014 and
PNAS 2018. Tail: Pickands 1975 (peaks over a threshold). With few excesses it is predictive:
Aitchison and Dunsmore, Statistical Prediction Analysis, 1975.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2, false_discovery_control, genpareto, rankdata

MIN_EXCESSES, MAX_SHAPE = 30, 0.5
"""Fewest excesses that the tail's shape is fitted to, and the heaviest fitted shape. A shape from a
dozen values is noise."""

MAX_SHARE = 0.999
"""Largest share on the logarithmic scale, where 1 would be infinite."""

MIN_P_VALUE = 1e-300
"""Smallest p-value. A tail far beyond its scale would round to 0."""


def to_log_scale(shares: Sequence[float]) -> list[float]:
    """Shares of images as `-log(1 - share)`, the unit of statistics in tests.

    Small shares hardly change. Near 1 the scale grows without bound: what natural groups do to a
    part of the images says little about doing it to all of them.

    >>> [round(value, 3) for value in to_log_scale([0.05, 0.9])]
    [0.051, 2.303]
    """
    values: list[float] = (-np.log1p(-np.minimum(shares, MAX_SHARE))).tolist()
    return values


def compute_p_value(
    value: float, null: Sequence[float], resolution: float, tail: float = 0.25
) -> float:
    """Probability of a statistic at least this large in a group that holds no poison.

    Args:
        null: the statistics of placebo groups of the same case.
        resolution: the finest scale of the tail, in the statistic's units. Sampling alone gives a
            null distribution of zeros this scale.
        tail: share of the null distribution that its tail is fitted to.
    Returns:
        The rank among the placebos; beyond the largest of them, the tail of a generalized Pareto
        distribution. 1 if there are no placebos.

    >>> compute_p_value(0.3, [0.1, 0.2, 0.3, 0.4], resolution=0.02)
    0.6
    """
    values = np.asarray(null, dtype=float)
    values = np.sort(values[np.isfinite(values)])
    if not len(values) or not math.isfinite(value):
        return 1.0
    rank = (1 + int((values >= value).sum())) / (len(values) + 1)
    if value <= values[-1]:
        return rank
    return max(MIN_P_VALUE, min(rank, _tail_probability(value, values, resolution, tail)))


def smallest_significant(
    null: Sequence[float], resolution: float, level: float, tail: float = 0.25, most: float = 1.0
) -> float:
    """The smallest statistic with a p-value below `level`; infinite if none up to `most` has it.

    This is the power of the test: a weaker trigger can't be told from the case's own groups.
    """
    if compute_p_value(most, null, resolution, tail) >= level:
        return math.inf
    low, high = 0.0, most
    for _ in range(20):
        middle = (low + high) / 2
        significant = compute_p_value(middle, null, resolution, tail) < level
        low, high = (low, middle) if significant else (middle, high)
    return high


def combine_p_values(first: float, second: float, correlation: float = 0.0) -> float:
    """Combine the p-values of two tests of the same group.

    Args:
        correlation: of their logarithms where nothing is poisoned, 0 or more. 0 is Fisher's method,
            for independent tests.
    Source: Brown, A Method for Combining Non-Independent, One-Sided Tests of Significance,
        Biometrics 1975; Fisher, Statistical Methods for Research Workers, 1932.

    >>> round(combine_p_values(0.05, 0.05), 4), round(combine_p_values(0.05, 0.05, 0.5), 4)
    (0.0175, 0.0351)
    """
    scale = 1 + correlation
    statistic = -2 * (math.log(max(first, MIN_P_VALUE)) + math.log(max(second, MIN_P_VALUE)))
    return max(MIN_P_VALUE, float(chi2.sf(statistic / scale, 4 / scale)))


def correlation_of_ranks(first: np.ndarray, second: np.ndarray) -> float:
    """How far two families of statistics are large in the same groups, in [0, 1].

    Args:
        first, second: `(groups, statistics)` of each family.
    Returns:
        The correlation of the logarithms of the families' p-values. The p-value of a family is here
        the least rank of its statistics. 0 if it is negative or either family is constant.
    Source: Poole et al., Combining dependent P-values with an empirical adaptation of Brown's
        method, Bioinformatics 2016.

    >>> correlation_of_ranks(np.array([[0.1], [0.2], [0.3]]), np.array([[1.0], [2.0], [9.0]]))
    1.0
    """
    if not len(first):
        return 0.0
    logs = [np.log(_ranks(family).min(axis=1)) for family in (first, second)]
    if min(np.ptp(each) for each in logs) == 0:
        return 0.0
    return float(np.corrcoef(*logs)[0, 1].clip(0, 1))


def _ranks(values: np.ndarray) -> np.ndarray:
    """The share of values of the same column that are at least as large."""
    shares: np.ndarray = rankdata(-values, "max", axis=0) / len(values)
    return shares


def adjust_p_values(p_values: Sequence[float], count: int) -> list[float]:
    """Correct p-values for multiple testing of `count` classes (Holm).

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.

    >>> adjust_p_values([0.01, 0.5], count=2)
    [0.02, 0.5]
    """
    adjusted, least = [1.0] * len(p_values), 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        least = max(least, min(1.0, p_values[position] * (count - rank)))
        adjusted[position] = least
    return adjusted


def false_discovery_rates(p_values: Sequence[float], count: int) -> list[float]:
    """Correct p-values for `count` classes where most may be targets (Benjamini and Hochberg).

    The rate of a class is the share of wrong ones among all classes that are called targets with
    it. Without any target it is as strict as a correction for all classes.

    >>> false_discovery_rates([0.01, 0.5], count=2)
    [0.02, 0.5]
    """
    everything = [*p_values, *[1.0] * (count - len(p_values))]
    return [float(rate) for rate in false_discovery_control(everything)[: len(p_values)]]


def _tail_probability(value: float, values: np.ndarray, resolution: float, tail: float) -> float:
    """Probability beyond `value` by the tail of this share of the sorted values.

    Values that are tied with the threshold are not beyond it: where nearly all are 0, few groups
    differ from nothing at all, and the tail weighs as little.

    The scale of an exponential tail is known from a few excesses only. Averaged over what it may
    be, the next excess has a generalized Pareto distribution. Its shape is fitted where there are
    many excesses.
    """
    count = max(1, int(tail * len(values)))
    threshold = float(values[-count - 1]) if count < len(values) else float(values[0])
    excess = values[values > threshold] - threshold
    shape, scale = 1 / count, max(resolution, float(excess.mean()) if len(excess) else 0.0)
    if len(excess) >= MIN_EXCESSES and scale > resolution:
        fitted, _, width = genpareto.fit(excess, floc=0)
        shape, scale = float(np.clip(fitted, shape, MAX_SHAPE)), max(resolution, float(width))
    weight = (len(excess) + 1) / (len(values) + 1)
    return weight * float(genpareto.sf(value - threshold, shape, scale=scale))

"""Means with their 95 % intervals."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from scipy import stats

SEED, RESAMPLES, CONFIDENCE = 0, 9999, 0.95
ROUNDING_ERROR = 1e-12
"""Means that are closer than this differ by rounding only."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of `count` values and the bounds of its 95 % interval, None where it has none."""

    value: float
    count: int
    low: float | None = None
    high: float | None = None


def mean_of_known(values: Iterable[float | None]) -> Mean | None:
    """The mean of the values that are not None, without an interval; None if all are.

    >>> mean_of_known([1.0, None, 3.0])
    Mean(value=2.0, count=2, low=None, high=None)
    """
    known = [value for value in values if value is not None]
    return Mean(fmean(known), len(known)) if known else None


def bootstrap_mean(values: Iterable[tuple[Hashable, float | None]]) -> Mean | None:
    """The mean of the values that are not None, with a percentile bootstrap interval.

    Whole groups (attacks) are drawn with replacement, with all of their victims. Victims of one
    attack resemble each other, so they are no independent trials. The interval says how the mean
    might have been over other attacks.

    One group, or one value, has no interval. If all groups have the same mean, the interval has
    no width. The percentile method is used because BCa's bias is undefined if no resample lies on
    one side of the mean, as happens with few groups. The seed is fixed, so the same values always
    have the same interval.

    Args:
        values: the group and the value of each victim. The group is the attack, or whatever else
            is drawn as a whole.
    Returns:
        None if there is no value.
    Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8, by
        scipy.stats.bootstrap.
    """
    groups: dict[Hashable, list[float]] = {}
    for name, value in values:
        if value is not None:
            groups.setdefault(name, []).append(value)
    mean = mean_of_known(value for group in groups.values() for value in group)
    if mean is None or len(groups) < 2:
        return mean
    # sorted, so that the order of the rows does not change the resamples
    totals = sorted((sum(sorted(group)), len(group)) for group in groups.values())
    if np.ptp([total / count for total, count in totals]) < ROUNDING_ERROR:
        return Mean(mean.value, mean.count, mean.value, mean.value)
    return Mean(mean.value, mean.count, *_bounds(totals))


def _bounds(totals: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """The interval of the mean over all values of some groups, each a sum and a count."""
    interval = stats.bootstrap(
        tuple(np.array(column, dtype=float) for column in zip(*totals, strict=True)),
        _ratio_of_sums,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _ratio_of_sums(totals: Any, counts: Any, axis: int = -1) -> Any:
    return totals.sum(axis=axis) / counts.sum(axis=axis)

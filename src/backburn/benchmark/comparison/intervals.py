"""Means with their 95 % intervals."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from scipy import stats

SEED, RESAMPLES, CONFIDENCE = 0, 9999, 0.95
SAME = 1e-12
"""Means that differ by less differ by rounding only."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean of `count` values and the bounds of its 95 % interval, None where it has none."""

    value: float
    count: int
    low: float | None = None
    high: float | None = None


def plain_mean(values: Iterable[float | None]) -> Mean | None:
    """The mean of what is known, without an interval; None of nothing."""
    found = [value for value in values if value is not None]
    return Mean(fmean(found), len(found)) if found else None


def mean_interval(values: Iterable[tuple[Hashable, float | None]]) -> Mean | None:
    """The mean of what is known with a percentile bootstrap interval; None of nothing.

    Victims of one attack resemble each other (its seeds are no independent trials of a method), so
    whole attacks are drawn with replacement, with all of their victims, and never single victims:
    the interval says how the mean might have been over other attacks. One attack, or one value,
    says nothing about others: it has no interval. Where every attack has the same mean, the
    interval has no width. The percentile method, since the bias that BCa estimates is not defined
    where no resample is on one side of the mean, as happens with a handful of attacks. The same
    values always have the same interval.

    Args:
        values: the attack, or whatever else is drawn as one, and the value, for each victim.
    Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8, by
        scipy.stats.bootstrap.
    """
    groups: dict[Hashable, list[float]] = {}
    for name, value in values:
        if value is not None:
            groups.setdefault(name, []).append(value)
    mean = plain_mean(value for group in groups.values() for value in group)
    if mean is None or len(groups) < 2:
        return mean
    # sorted, so that the order of the rows does not change what is drawn
    totals = sorted((sum(sorted(group)), len(group)) for group in groups.values())
    if np.ptp([total / count for total, count in totals]) < SAME:
        return Mean(mean.value, mean.count, mean.value, mean.value)
    return Mean(mean.value, mean.count, *_bounds(totals))


def _bounds(totals: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """The interval of the mean over all values of some groups, each a sum and a count."""
    found = stats.bootstrap(
        tuple(np.array(column, dtype=float) for column in zip(*totals, strict=True)),
        _ratio,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


def _ratio(totals: Any, counts: Any, axis: int = -1) -> Any:
    return totals.sum(axis=axis) / counts.sum(axis=axis)

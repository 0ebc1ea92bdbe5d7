"""Null distributions from the case itself, and p-values from them.

Source: empirical calibration by negative controls, Schuemie et al., Statistics in Medicine 2014 and
PNAS 2018. Tail: Pickands 1975 (peaks over a threshold).
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import genpareto

TAIL = 0.25
"""Share of the null distribution that its tail is fitted to."""
FITTED, HEAVIEST = 30, 0.5
"""Excesses from which on the tail's shape is fitted, and the heaviest shape; below it is
exponential, since a shape from a dozen values is noise."""


def p_value(value: float, null: Sequence[float], resolution: float) -> float:
    """The chance of a statistic so large, or larger, in a group that nobody planted.

    Args:
        null: the statistics of placebo groups of the same case.
        resolution: the finest scale of the tail, in the statistic's units: what sampling makes of a
            null distribution that is all zeros.
    Returns:
        By rank among the placebos; beyond the largest of them, extrapolated by a generalized Pareto
        tail. 1 where there are no placebos.
    """
    values = np.asarray(null, dtype=float)
    values = values[np.isfinite(values)]
    if not len(values) or not math.isfinite(value):
        return 1.0
    rank = (1 + int((values >= value).sum())) / (len(values) + 1)
    if value <= values.max():
        return rank
    return min(rank, _tail(value, values, resolution))


def needed(null: Sequence[float], resolution: float, level: float, most: float = 1.0) -> float:
    """The smallest statistic with a p-value below `level`; infinite where none up to `most` has it.

    This is the power of the test: nothing weaker can be told from the case's own groups.
    """
    if p_value(most, null, resolution) >= level:
        return math.inf
    low, high = 0.0, most
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if p_value(middle, null, resolution) < level else (middle, high)
    return high


def combined(first: float, second: float) -> float:
    """One p-value of two tests of the same group.

    Source: Fisher, Statistical Methods for Research Workers, 1932, of two p-values: the product
    `x` has the distribution function `x (1 - log x)`.
    """
    product = max(first * second, 1e-300)
    return min(1.0, product * (1 - math.log(product)))


def holm(p_values: Sequence[float], count: int) -> list[float]:
    """P-values of single classes, each paid for by looks at so many.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    paid, least = [1.0] * len(p_values), 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        least = max(least, min(1.0, p_values[position] * (count - rank)))
        paid[position] = least
    return paid


def _tail(value: float, values: np.ndarray, resolution: float) -> float:
    threshold = float(np.quantile(values, 1 - TAIL))
    excess = values[values > threshold] - threshold
    scale = max(resolution, float(excess.mean()) if len(excess) else 0.0)
    shape = 0.0
    if len(excess) >= FITTED and excess.mean() > resolution:
        shape, _, scale = genpareto.fit(excess, floc=0)
        shape, scale = float(np.clip(shape, 0.0, HEAVIEST)), max(resolution, float(scale))
    return TAIL * float(genpareto.sf(value - threshold, shape, scale=scale))

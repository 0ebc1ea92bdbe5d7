"""From the classes' evidence to the verdict on the whole case."""

import math
from collections.abc import Mapping

import numpy as np
from scipy import stats

from ..types import Verdict
from .populations import TwoPopulations

COMPARABLE = 5
PRIOR_SPREAD, PRIOR_DEGREES = 0.15, 8
APART, DISTINCT = 2.0, 4.0
"""Ashman's D: populations show from 2 on; at 4 one image in 44 lies on the wrong side."""


def class_p_values(gains: Mapping[int, float]) -> dict[int, float]:
    """For each class the chance of such a gain where no class holds a planted population.

    A class is compared with its like: natural classes differ from data set to data set, so the
    other classes give location and spread (median, MAD), a Student t their tails, and Bonferroni
    pays for looking at every class. Compared are square roots of the gains, because a likelihood
    ratio grows with the square of what it measures. The spread of so few classes is moderated by
    what clean classes of other models showed (Smyth 2004), see docs/method.md.

    Args:
        gains: `TwoPopulations.gain` by class.
    Returns:
        1 for every class where fewer than five can be compared.
    """
    if len(gains) < COMPARABLE:
        return dict.fromkeys(gains, 1.0)
    roots = {label: max(gain, 0.0) ** 0.5 for label, gain in gains.items()}
    return {label: _p_value(label, roots) for label in roots}


def _p_value(label: int, roots: Mapping[int, float]) -> float:
    others = np.array([root for other, root in roots.items() if other != label])
    center = np.median(others)
    measured, degrees = 1.4826 * np.median(np.abs(others - center)), len(others) - 1
    total = degrees + PRIOR_DEGREES
    spread = np.sqrt((degrees * measured**2 + PRIOR_DEGREES * PRIOR_SPREAD**2) / total)
    tail = stats.t.sf((roots[label] - center) / spread, df=total)
    return float(min(1.0, len(roots) * tail))


def reach_verdict(
    classes: Mapping[int, TwoPopulations], false_alarm: float, suspicion: float
) -> Verdict:
    """Clean, suspicious or backdoored, with the target labels.

    Args:
        classes: each class split in two.
        false_alarm: a class below this p-value is a target, if its populations are distinct: whose
            images cannot be told apart is not accused.
        suspicion: a case with a class below this p-value, whose populations show, is suspicious.
    Returns:
        `target_labels` are the classes below `false_alarm` where backdoored, those below
        `suspicion` where suspicious.
    """
    p_values = class_p_values({label: found.gain for label, found in classes.items()})
    apart = {k: p for k, p in p_values.items() if classes[k].separation > APART}
    least = min(apart.values(), default=1.0)
    targets = tuple(
        sorted(k for k, p in apart.items() if p < false_alarm and classes[k].separation > DISTINCT)
    )
    if targets:
        return Verdict("backdoored", targets, least)
    doubtful = tuple(sorted(k for k, p in apart.items() if p < suspicion))
    return Verdict("suspicious" if doubtful else "clean", doubtful, least)


def class_weight(label: int, verdict: Verdict, p_value: float) -> float:
    """What membership in the second population of a class counts: 1 in a target, below 1/2 else."""
    if label in verdict.target_labels and verdict.state == "backdoored":
        return 1.0
    return 0.49 * (1 - p_value) if math.isfinite(p_value) else 0.0

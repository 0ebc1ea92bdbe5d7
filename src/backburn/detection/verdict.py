"""From the classes' evidence to the verdict on the whole case."""

import math
from collections.abc import Mapping, Sequence

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
    pays for looking at every class. Compared are signed square roots of the gains, because a
    likelihood ratio grows with the square of what it measures. The spread of so few classes is
    moderated by what clean classes of other models showed (Smyth 2004), see docs/method.md.

    Args:
        gains: `TwoPopulations.gain` by class.
    Returns:
        1 for every class where fewer than five can be compared.
    """
    if len(gains) < COMPARABLE:
        return dict.fromkeys(gains, 1.0)
    roots = {label: math.copysign(abs(gain) ** 0.5, gain) for label, gain in gains.items()}
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
    views: Sequence[Mapping[int, TwoPopulations]], false_alarm: float, suspicion: float
) -> Verdict:
    """Clean, suspicious or backdoored, with the target labels.

    Args:
        views: each class split in two, once for each way of looking at it; Bonferroni pays for
            looking more than once.
        false_alarm: a class below this p-value is a target, if its populations are distinct: whose
            images cannot be told apart is not accused.
        suspicion: a case with a class below this p-value, whose populations show, is suspicious.
    Returns:
        `target_labels` are the classes below `false_alarm` where backdoored, those below
        `suspicion` where suspicious.
    """
    shown, distinct = _least(views, APART), _least(views, DISTINCT)
    least = min(shown.values(), default=1.0)
    targets = tuple(sorted(k for k, p in distinct.items() if p < false_alarm))
    if targets:
        return Verdict("backdoored", targets, least)
    doubtful = tuple(sorted(k for k, p in shown.items() if p < suspicion))
    return Verdict("suspicious" if doubtful else "clean", doubtful, least)


def clearest(views: Sequence[Mapping[int, TwoPopulations]]) -> dict[int, TwoPopulations]:
    """Each class as split by the view that has the least p-value for it."""
    p_values = [class_p_values(_gains(view)) for view in views]
    out = {}
    for label in views[0]:
        number = min(range(len(views)), key=lambda n: p_values[n][label])
        out[label] = views[number][label]
    return out


def _least(views: Sequence[Mapping[int, TwoPopulations]], separation: float) -> dict[int, float]:
    """The least p-value of each class over the views in which it is split that far apart."""
    out: dict[int, float] = {}
    for view in views:
        for label, p_value in class_p_values(_gains(view)).items():
            if view[label].separation > separation:
                out[label] = min(out.get(label, 1.0), len(views) * p_value)
    return out


def _gains(view: Mapping[int, TwoPopulations]) -> dict[int, float]:
    return {label: found.gain for label, found in view.items()}


def class_weight(label: int, verdict: Verdict) -> float:
    """What membership in the second population of a class counts.

    1 in a target, less than half everywhere else: only images of a target are ever flagged.
    """
    return 1.0 if verdict.state == "backdoored" and label in verdict.target_labels else 0.49

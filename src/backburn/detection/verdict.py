"""From the classes' trials to the verdict on the whole case."""

import math
from collections.abc import Sequence

from ..types import ClassEvidence, Verdict

SCALE = 0.04
"""Strength of trials in classes where nothing is planted: exponential, with this mean at most."""


def p_value(strength: float, looks: int) -> float:
    """The chance of a trial so strong, or stronger, in any of `looks` classes of a clean case.

    Strengths of clean classes are taken as exponential with mean `SCALE`, which clean models of
    several kinds stay below (docs/method.md); Bonferroni pays for every look. It compares no class
    with another one, so that any number of them can be targets.
    """
    return min(1.0, looks * math.exp(-strength / SCALE))


def reach_verdict(
    classes: Sequence[ClassEvidence], false_alarm: float, suspicion: float
) -> Verdict:
    """Clean, suspicious or backdoored, with the target labels.

    Args:
        classes: those that were tried.
        false_alarm: a class below this p-value is a target.
        suspicion: a case with a class below this p-value is suspicious.
    Returns:
        `target_labels` are the classes below `false_alarm` where backdoored, those below
        `suspicion` where suspicious.
    """
    known = tuple(sorted(classes, key=lambda found: found.label))
    least = min((found.p_value for found in known), default=1.0)
    targets = tuple(found.label for found in known if found.p_value < false_alarm)
    if targets:
        return Verdict("backdoored", targets, least, known)
    doubtful = tuple(found.label for found in known if found.p_value < suspicion)
    return Verdict("suspicious" if doubtful else "clean", doubtful, least, known)

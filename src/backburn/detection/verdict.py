"""From the classes' trials to the verdict on the whole case."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ..metrics import rate
from ..types import ClassEvidence, Flags, Verdict
from .populations import SMALLEST

UNTOLD = (
    "the class holds two kinds of images, and what sets them apart makes other images look like "
    "it, but which of the two was planted cannot be told, because too little can be learnt from "
    "these images. Give more of them, or a model that calls more of them by their label"
)
"""Students know neither side: see `settling.settled`."""
FAMILIAR = 0.5
"""A model that was trained on the images calls at least this share of them by their label."""


def p_value(strength: float, looks: int) -> float:
    """The chance of a trial so strong, or stronger, in any of `looks` at a clean case.

    Strengths of clean classes (see `trials.Trial`) are taken as exponential with mean 1, which
    clean models of several kinds stay below (docs/method.md); every look is paid for (Bonferroni).
    """
    return min(1.0, looks * math.exp(-strength))


def p_values(strengths: Mapping[int, float], classes: int, looks: int) -> dict[int, float]:
    """Those of single classes: none is smaller than that of a stronger one.

    The strongest class pays for all looks at all classes, the next for those at all others, and so
    on, so that of many targets none is missed for what the rest have paid already.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979.
    """
    found, least = {}, 0.0
    for rank, label in enumerate(sorted(strengths, key=lambda k: -strengths[k])):
        least = max(least, p_value(strengths[label], looks * (classes - rank)))
        found[label] = least
    return found


def reach_verdict(
    classes: Sequence[ClassEvidence], false_alarm: float, suspicion: float, doubt: str = ""
) -> Verdict:
    """Clean, suspicious or backdoored, with the target labels; or none of these.

    Args:
        classes: those that were tried.
        false_alarm: a class below this p-value is a target.
        suspicion: a case with a class below this p-value is suspicious.
        doubt: why a case must not be called clean, if there is a reason (see `doubt_about`).
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
    if doubtful:
        return Verdict("suspicious", doubtful, least, known)
    return Verdict("abstained" if doubt else "clean", (), least, known, doubt)


def withheld(verdict: Verdict, undecided: Collection[int]) -> Verdict:
    """The verdict without the targets of which it is not known what was planted.

    Where no other is left, the case is suspicious, and says why: single images cannot be accused.
    """
    left = tuple(label for label in verdict.convicted if label not in undecided)
    if left == verdict.convicted:
        return verdict
    if left:
        return replace(verdict, target_labels=left)
    return replace(verdict, state="suspicious", reason=UNTOLD)


def familiar(agreed: Flags) -> bool:
    """Whether these can be the images that the model was trained on, and normalized as then."""
    return rate(agreed) >= FAMILIAR


def doubt_about(agreed: Flags, classes: int, examined: int) -> str:
    """Why nothing would be found even if something were there; empty where there is no reason.

    Args:
        agreed: images that the model calls by their label; only these can be examined.
        classes: how many the images have.
        examined: how many of these have enough such images.
    """
    if not familiar(agreed):
        return (
            f"the model calls only {100 * rate(agreed):.0f} % of the images by their label: are "
            "these the images that it was trained on, and is its input scaled and "
            "normalized as in training?"
        )
    if examined < classes / 2:
        return (
            f"only {examined} of {classes} classes have {SMALLEST} images or more that the model "
            "calls by their label: give more images"
        )
    return ""

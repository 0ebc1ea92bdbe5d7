"""What came of trying the classes of a case, and the evidence in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import nn

from ..types import ClassEvidence, Evidence, Verdict
from .groups import Division, turned
from .trials import Trial, usual_transfer
from .verdict import p_values

DOUBTED = 0.49
LOOKS = 4
"""At each class: transfer, either side's reversion, and transfer by its ways."""

Known = TypeVar("Known")


@dataclass(frozen=True, slots=True)
class Tried:
    """The classes that were tried: how each divides, and what came of it.

    `students` holds the one that was asked about a class, which never saw its planted side;
    `unclear` are the classes whose planted side only the ways to the boundary told, `undecided`
    those of them where asking students did not tell it, either.
    """

    divisions: Mapping[int, Division]
    trials: Mapping[int, Trial]
    students: Mapping[int, nn.Module] = field(default_factory=dict)
    unclear: frozenset[int] = frozenset()
    undecided: frozenset[int] = frozenset()

    def classes(self, count: int) -> list[ClassEvidence]:
        """What is known of each class, its p-value paid for by looks at so many classes."""
        usual = self.usual(count)
        strengths = {label: trial.strength(usual) for label, trial in self.trials.items()}
        chances = p_values(strengths, count, LOOKS)

        def known(label: int, trial: Trial) -> ClassEvidence:
            found = self.divisions[label].found
            divides = found.gain, found.separation
            return ClassEvidence(label, *divides, trial.transfer, trial.reversion, chances[label])

        return [known(label, trial) for label, trial in self.trials.items()]

    def usual(self, count: int) -> float:
        """What carries over of a clean one of so many classes, on average."""
        return usual_transfer([trial.transfer for trial in self.trials.values()], count)

    def turned(self) -> "Tried":
        """The other side of each class as planted; what carries over is the same in reverse."""
        divisions = {label: turned(division) for label, division in self.divisions.items()}
        return Tried(divisions, self.trials)


def stronger(first: Tried, second: Tried, count: int) -> Tried:
    """Each of so many classes as it was tried with more to show for it."""
    usual = max(first.usual(count), second.usual(count))
    better = {
        label
        for label, trial in second.trials.items()
        if label not in first.trials or trial.strength(usual) > first.trials[label].strength(usual)
    }
    return Tried(
        _merged(first.divisions, second.divisions, better),
        _merged(first.trials, second.trials, better),
        students=_merged(first.students, second.students, better),
        unclear=(first.unclear - better) | (second.unclear & better),
    )


def _merged(
    first: Mapping[int, Known], second: Mapping[int, Known], better: set[int]
) -> dict[int, Known]:
    """What is known of each class, of those in `better` by the second account."""
    stay = {label: known for label, known in first.items() if label not in better}
    return stay | {label: known for label, known in second.items() if label in better}


def evidence_of(tried: Tried, count: int, verdict: Verdict) -> Evidence:
    """Membership in the planted population, and less than half of it where no target is.

    Only images of a target are ever flagged.
    """
    score = torch.zeros(count)
    for label, division in tried.divisions.items():
        weight = 1.0 if label in verdict.convicted else DOUBTED
        score[division.rows] = division.found.member * weight
    return Evidence(score, score > 0.5)

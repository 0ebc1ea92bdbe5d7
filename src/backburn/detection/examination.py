"""The examination of a case: its classes are divided, and the divisions tried."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..mapping import rows_of
from ..models.inference import predict
from ..types import Case, ClassEvidence, Evidence, Features, Flags, Progress, Verdict
from ..work.contract import HERE, Work
from .groups import Division, oriented, sharpened, turned, worth_trying
from .student import Student
from .survey import Survey
from .trials import Trial, carry_over, kept_without, reversion
from .verdict import p_value

HELD_OUT, FEWEST = 0.05, 10
DOUBTED = 0.49
NEEDED = 0.2
"""One side keeps its label so much less without what sets it apart than the other does with it."""

Known = TypeVar("Known")


@dataclass(frozen=True, slots=True)
class Tried:
    """The classes that were tried: how each divides, and what came of it.

    `students` holds the one that was asked about a class, which never saw its planted side.
    """

    divisions: Mapping[int, Division]
    trials: Mapping[int, Trial]
    students: Mapping[int, nn.Module] = field(default_factory=dict)

    def classes(self, looks: int) -> list[ClassEvidence]:
        """What is known of each class, its p-value paid for by so many looks."""

        def known(label: int, trial: Trial) -> ClassEvidence:
            found, chance = self.divisions[label].found, p_value(trial.strength, looks)
            divides = found.gain, found.separation
            return ClassEvidence(label, *divides, trial.transfer, trial.reversion, chance)

        return [known(label, trial) for label, trial in self.trials.items()]

    def turned(self) -> "Tried":
        """The other side of each class as planted; what carries over is the same in reverse."""
        divisions = {label: turned(division) for label, division in self.divisions.items()}
        return Tried(divisions, self.trials)


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What every trial needs: the case, its boundary, its activations, the rows of each class."""

    case: Case
    survey: Survey
    features: Features
    rows: Mapping[int, Tensor]
    probes: int
    generator: torch.Generator
    progress: Progress
    work: Work = HERE

    def by_transfer(self, divisions: Mapping[int, Division]) -> Tried:
        """Tell the planted side of the divisions that are worth it, and see what carries over."""
        labels, seed = self.case.images.labels, self.generator.initial_seed() % 2**31
        chosen = {
            label: sharpened(d, self.features, (labels == label).nonzero().flatten(), seed)
            for label, d in worth_trying(divisions).items()
        }
        needing = {label: self._needing(label, division) for label, division in chosen.items()}
        unclear = [chosen[label] for label, found in needing.items() if found is None]
        sides = [side for d in unclear for side in (d.inside, d.outside)]
        self.survey.cover(self.sample(sides, self.probes))
        facing = {
            label: needing[label] or oriented(division, self.survey.ways(division.rows))
            for label, division in chosen.items()
        }
        return Tried(facing, {label: self._carried(label, d) for label, d in facing.items()})

    def _needing(self, label: int, division: Division) -> Division | None:
        """The side as planted that needs what sets it apart for its label; None if neither does."""
        model, images = self.case.model, self.case.images
        inside, outside = kept_without(model, images, label, division, self.generator)
        if abs(inside - outside) < NEEDED:
            return None
        return division if inside < outside else turned(division)

    def _carried(self, label: int, division: Division) -> Trial:
        model, images = self.case.model, self.case.images
        sources = {source: rows for source, rows in self.rows.items() if source != label}
        return Trial(carry_over(model, images, label, division, sources, self.generator))

    def by_student(self, tried: Tried, settings: Student) -> Tried:
        """Ask a student that saw no group of any class tried what each of them is."""
        hidden = torch.zeros(len(self.case.images), dtype=torch.bool)
        for division in tried.divisions.values():
            hidden[division.inside] = True
        held_out = self._held_out(~hidden)
        shown = (~hidden & ~held_out).nonzero().flatten()
        student = settings.taught(self.case, shown, self.generator, self.progress, self.work)

        def asked(label: int, division: Division) -> Trial:
            others = self.rows[label][held_out[self.rows[label]]]
            said, compared = (
                predict(student, rows_of(self.case.images.pixels, rows))
                for rows in (division.inside, others)
            )
            trial = tried.trials[label]
            return replace(trial, reversion=reversion(said, compared, label, trial.carried))

        trials = {label: asked(label, division) for label, division in tried.divisions.items()}
        return replace(tried, trials=trials, students=dict.fromkeys(trials, student))

    def _held_out(self, free: Flags) -> Flags:
        """A twentieth of each class, of ten images at the least and half of them at the most."""
        chosen = torch.zeros_like(free)
        for rows in self.rows.values():
            rest = rows[free[rows]]
            count = min(max(FEWEST, round(HELD_OUT * len(rest))), (len(rest) + 1) // 2)
            chosen[rest[torch.randperm(len(rest), generator=self.generator)[:count]]] = True
        return chosen

    def sample(self, groups: Sequence[Tensor], count: int) -> Flags:
        """At most so many rows of each group."""
        chosen = torch.zeros(len(self.case.images), dtype=torch.bool)
        for rows in groups:
            order = torch.randperm(len(rows), generator=self.generator)
            chosen[rows[order[:count]]] = True
        return chosen


def stronger(first: Tried, second: Tried) -> Tried:
    """Each class as it was tried with more to show for it."""
    better = {
        label
        for label, trial in second.trials.items()
        if label not in first.trials or trial.strength > first.trials[label].strength
    }
    return Tried(
        _merged(first.divisions, second.divisions, better),
        _merged(first.trials, second.trials, better),
        students=_merged(first.students, second.students, better),
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
    convicted = verdict.target_labels if verdict.state == "backdoored" else ()
    for label, division in tried.divisions.items():
        weight = 1.0 if label in convicted else DOUBTED
        score[division.rows] = division.found.member * weight
    return Evidence(score, score > 0.5)

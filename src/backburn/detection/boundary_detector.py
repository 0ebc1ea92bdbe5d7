"""Our detector: split each class in two, see how both get to the boundary, and try the split."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from ..boundary.budget import budget_named
from ..errors import InputError
from ..methods import Detector
from ..models.checking import check_fit
from ..types import BoundaryResult, Case, Evidence, Flags, Progress, Verdict, silent
from ..work.contract import HERE, Work
from .examination import Laboratory
from .groups import rows_by_class
from .rounding import Rounding
from .samples import of_each
from .settling import schooled, settled
from .student import Student
from .survey import Survey
from .trials import Trial
from .tried import Tried, evidence_of, stronger
from .verdict import doubt_about, familiar, reach_verdict, withheld


class Findings(NamedTuple):
    """Everything the detector found out.

    `agreed` are the images that the model calls by their label, `tried` the classes that could hold
    a second population.
    """

    boundary: BoundaryResult
    evidence: Evidence
    verdict: Verdict
    agreed: Flags
    tried: Tried

    @property
    def transfer(self) -> float:
        """The largest transfer of a target class; 0 where there is none."""
        return self._most_carried.transfer

    @property
    def rounding(self) -> Rounding | None:
        """What is carried over then, where it is the values that images hold."""
        return self._most_carried.rounding

    @property
    def _most_carried(self) -> Trial:
        trials = [self.tried.trials[label] for label in self.verdict.target_labels]
        return max(trials, key=lambda trial: trial.transfer, default=Trial())


@dataclass(frozen=True)
class BoundaryDetector(Detector):
    """Two populations in a class, the way each has to the boundary, and trials of what it means.

    Args:
        budget: effort of the boundary search: `screen`, `fast`, `default` or `exact`.
        probes: images of each population whose boundary is searched, beside those of the suspects;
            of more than ten classes fewer, as many in all, but ten of each at the least.
        batch_size: images at a time.
        false_alarm: p-value under which a class is called a target.
        suspicion: p-value under which a case is called suspicious.
        student: how the student of the second trial is made.
    Source: the observations of BURN (Su et al., arXiv 2507.10491). Departures: docs/method.md.
    """

    budget: str = "fast"
    probes: int = 100
    batch_size: int = 256
    false_alarm: float = 0.01
    suspicion: float = 0.05
    student: Student = field(default_factory=Student)

    def __post_init__(self) -> None:
        budget_named(self.budget)
        if min(self.batch_size, self.probes) < 1:
            raise InputError("batch_size and probes of the detector: give 1 or more")
        if not 0 < self.false_alarm <= self.suspicion < 1:
            raise InputError(
                f"false_alarm={self.false_alarm}, suspicion={self.suspicion}: give "
                "0 < false_alarm <= suspicion < 1"
            )

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        check_fit(case.model, case.images)
        return self.study(case, generator, progress).evidence

    def study(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = silent,
        work: Work = HERE,
        every_suspect: bool = True,
        doubt: str = "",
    ) -> Findings:
        """The evidence, and the boundary and verdict it goes with.

        Args:
            work: who searches and trains, and keeps what is done of it.
            every_suspect: search the boundary of every flagged image, not only of `probes`.
            doubt: why the case must not be called clean, if there is a reason.
        Raises:
            InputError: a model that agrees with no label at all.
        """
        laboratory = self.laboratory(case, generator, progress, work)
        agreed, rows, labels = laboratory.survey.agreed, laboratory.rows, case.images.labels
        doubt = doubt or doubt_about(agreed, len(set(labels.tolist())), len(rows))
        tried = self._tried(laboratory) if familiar(agreed) else Tried({}, {})
        verdict = self.verdict(tried, rows, doubt)
        tried = settled(laboratory, tried, verdict.convicted, self.student)
        verdict = withheld(verdict, tried.undecided)
        tried = schooled(laboratory, tried, verdict.convicted, self.student)
        evidence = evidence_of(tried, len(labels), verdict)
        shown = evidence.flagged if every_suspect else torch.zeros_like(agreed)
        probed = laboratory.sample(list(rows.values()), of_each(self.probes, len(rows)))
        boundary = laboratory.survey.boundary(shown | probed)
        return Findings(boundary, evidence, verdict, agreed, tried)

    def laboratory(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = silent,
        work: Work = HERE,
    ) -> Laboratory:
        """What every trial needs; the model is asked about every image.

        Raises:
            InputError: a model that agrees with no label at all.
        """
        labels = case.images.labels
        features, said = work.activations(case.model, case.images.pixels, progress=progress)
        agreed = said == labels
        if not bool(agreed.any()):
            raise InputError(
                f"the model agrees with none of the {len(labels)} labels: give the images and "
                "labels that it was trained on"
            )
        seed = int(torch.randint(2**31, (), generator=generator))
        survey = Survey(case, agreed, self.budget, self.batch_size, progress, work)
        rows = rows_by_class(labels, agreed)
        known = (case, survey, features, rows, self.probes, seed)
        return Laboratory(*known, generator, progress, work)

    def _tried(self, laboratory: Laboratory) -> Tried:
        """Every class by what carries over; where that convicts none, by students and its ways.

        The ways to the boundary may divide a class that a student convicts so well that its trigger
        does carry over, and can be undone. Where no student convicts, all classes are looked at.
        """
        tried = laboratory.by_transfer(laboratory.divided_by_activations())
        if not laboratory.rows or self._convicted(laboratory, tried):
            return tried
        asked = self._by_students(laboratory, tried)
        among = self._convicted(laboratory, asked) or tuple(laboratory.rows)
        by_ways = laboratory.by_transfer(laboratory.divided_by_ways(among))
        return stronger(asked, by_ways, len(laboratory.rows))

    def _by_students(self, laboratory: Laboratory, tried: Tried) -> Tried:
        """What a student says that never saw the planted sides.

        Without a trigger that carries over, the planted side is a guess: where the student convicts
        nobody, another one is asked about the other sides.
        """
        if not tried.divisions:
            return tried
        asked = laboratory.by_student(tried, self.student)
        if self._convicted(laboratory, asked):
            return asked
        other = laboratory.by_student(tried.turned(), self.student)
        return stronger(asked, other, len(laboratory.rows))

    def _convicted(self, laboratory: Laboratory, tried: Tried) -> tuple[int, ...]:
        return self.verdict(tried, laboratory.rows).convicted

    def verdict(self, tried: Tried, classes: Collection[int], doubt: str = "") -> Verdict:
        """What it makes of classes that were tried, of so many."""
        return reach_verdict(tried.classes(len(classes)), self.false_alarm, self.suspicion, doubt)

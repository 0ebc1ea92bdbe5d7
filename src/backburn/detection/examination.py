"""The examination of a case: its classes are divided, and the divisions tried."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..mapping import rows_of
from ..models.inference import predict
from ..training import BatchTransform
from ..types import Case, Features, Flags, Index, Progress
from ..work.contract import HERE, Work
from .groups import (
    Division,
    by_activations,
    by_ways,
    oriented,
    sharpened,
    turned,
    worth_trying,
)
from .likeness import carry_over, carry_over_rounded
from .needing import NEEDED, needing
from .rounding import rounding_of
from .samples import of_each, some
from .student import Student
from .survey import Survey
from .trials import Trial, reversion
from .tried import Tried, stronger

WAYS = 1000
"""Images of a class whose ways tell whether it divides by them (see `of_each`)."""
HELD_OUT, FEWEST = 0.05, 10


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What every trial needs: the case, its boundary, its activations, the rows of each class."""

    case: Case
    survey: Survey
    features: Features
    rows: Mapping[int, Tensor]
    probes: int
    seed: int
    generator: torch.Generator
    progress: Progress
    work: Work = HERE

    def divided_by_activations(self) -> dict[int, Division]:
        """Every class, divided by its activations."""
        return {k: by_activations(self.features, rows, self.seed) for k, rows in self.rows.items()}

    def divided_by_ways(self, among: Collection[int]) -> dict[int, Division]:
        """These classes, divided by the ways of a thousand images each to their boundary."""
        rows = {label: rows for label, rows in self.rows.items() if label in among}
        drawn = self.sample(list(rows.values()), of_each(WAYS, len(rows)))
        self.survey.cover(drawn)
        chosen = {label: index[drawn[index]] for label, index in rows.items()}
        return {k: by_ways(self.survey.of(index), index, self.seed) for k, index in chosen.items()}

    def by_transfer(self, divisions: Mapping[int, Division]) -> Tried:
        """Tell the planted side of the divisions that are worth it, and see what carries over."""
        labels, seed = self.case.images.labels, self.generator.initial_seed() % 2**31
        chosen = {
            label: sharpened(d, self.features, (labels == label).nonzero().flatten(), seed)
            for label, d in worth_trying(divisions).items()
        }
        clear = {label: self._needing(label, division) for label, division in chosen.items()}
        unclear = frozenset(label for label, found in clear.items() if found is None)
        sides = [side for k in sorted(unclear) for side in (chosen[k].inside, chosen[k].outside)]
        self.survey.cover(self.sample(sides, of_each(self.probes, len(self.rows))))
        facing = {
            label: clear[label] or oriented(division, self.survey.ways(division.rows))
            for label, division in chosen.items()
        }
        carried = {label: self.carried(label, division) for label, division in facing.items()}
        return stronger(
            Tried(facing, carried, unclear=unclear), self._by_rounding(facing), len(self.rows)
        )

    def _needing(self, label: int, division: Division) -> Division | None:
        """The side as planted that needs what sets it apart for its label; None if neither does."""
        known = self.case.model, self.case.images, label, division
        return needing(*known, self._others(label), self.generator)

    def carried(self, label: int, division: Division, student: nn.Module | None = None) -> Trial:
        """What carries over by the model's word, or by a student's."""
        asked, images = student or self.case.model, self.case.images
        known = (asked, images, label, division, self._others(label), self.generator)
        return Trial(carry_over(*known, agreed=student is None))

    def _by_rounding(self, divisions: Mapping[int, Division]) -> Tried:
        """The classes of which the values that one side holds carry over: it is the planted one."""
        sides, trials = dict[int, Division](), dict[int, Trial]()
        for label, division in divisions.items():
            side, trial = self._rounded(label, division)
            if trial.transfer > NEEDED:
                sides[label], trials[label] = side, trial
        return Tried(sides, trials)

    def _rounded(self, label: int, division: Division) -> tuple[Division, Trial]:
        """The side as planted whose values carry over more, and what they do."""
        sides = division, turned(division)
        roundings = [rounding_of(self.case.images.pixels, side.inside) for side in sides]
        known = self.case.model, self.case.images, label
        carried = carry_over_rounded(*known, roundings, self._others(label))
        told = [
            (side, Trial(shares, rounding=rounding))
            for side, shares, rounding in zip(sides, carried, roundings, strict=True)
        ]
        return max(told, key=lambda account: account[1].transfer)

    def _others(self, label: int) -> dict[int, Tensor]:
        """The rows of every other class."""
        return {other: rows for other, rows in self.rows.items() if other != label}

    def by_student(self, tried: Tried, settings: Student) -> Tried:
        """Ask a student that saw no group of any class tried what each of them is."""
        hidden = self.inside(tried.divisions)
        held_out = self._held_out(~hidden)
        student = self.taught((~hidden & ~held_out).nonzero().flatten(), settings)

        def asked(label: int, division: Division) -> Trial:
            others = self.rows[label][held_out[self.rows[label]]]
            said, compared = (
                predict(student, rows_of(self.case.images.pixels, rows))
                for rows in (division.inside, others)
            )
            trial = tried.trials[label]
            return replace(trial, reversion=reversion(said, compared, label, trial.carried))

        trials = {label: asked(label, division) for label, division in tried.divisions.items()}
        return Tried(tried.divisions, trials, dict.fromkeys(trials, student))

    def taught(
        self, rows: Index, settings: Student, stamp: BatchTransform | None = None
    ) -> nn.Module:
        """A student that was shown these images only; see `Student.taught`."""
        return settings.taught(self.case, rows, self.generator, self.progress, self.work, stamp)

    def inside(self, divisions: Mapping[int, Division]) -> Flags:
        """The planted sides of all these classes."""
        inside = torch.zeros(len(self.case.images), dtype=torch.bool)
        for division in divisions.values():
            inside[division.inside] = True
        return inside

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
            chosen[some(rows, count, self.generator)] = True
        return chosen

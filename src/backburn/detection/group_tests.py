"""The tests of one case: which groups of which classes are poisoned, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..types import ClassEvidence, Flags, Progress, Verdict
from .candidates import Split, Splitter
from .measuring import Measuring
from .null import combined, holm, needed, p_value
from .records import Finding, Measured

PLACEBOS, LINES = 24, 5
"""Placebo groups that are aimed at, and lines that one set of images is split along at the most."""
ALIKE = 0.5
"""Images join a group that its split had left out if they are half as dependent on its change."""
ROUNDS, MOST = 8, 64
"""Backdoors of one class, and classes that may be targets, at the most."""

UNTOLD = (
    "the class holds two kinds of images that differ as poisoned and clean ones do, but which of "
    "them was poisoned cannot be told. Give more of the training images"
)


@runtime_checkable
class Levels(Protocol):
    """The settings that decide; see `detector.PoisonDetector`."""

    @property
    def false_alarm(self) -> float: ...

    @property
    def suspicion(self) -> float: ...

    @property
    def resolution(self) -> float: ...

    @property
    def resolution_retraining(self) -> float: ...

    @property
    def least(self) -> float: ...


class Tests:
    """The tests of one case: measured candidates, null distributions, findings, verdict."""

    def __init__(
        self, settings: Levels, measuring: Measuring, splitter: Splitter, classes: int
    ) -> None:
        self.settings, self.measuring, self.splitter = settings, measuring, splitter
        self.classes = classes
        self.measured: dict[int, list[Measured]] = {}
        self.set_aside: frozenset[int] = frozenset()
        self.log: list[dict[str, float | int | str]] = []
        self._best: dict[int, tuple[float, Measured]] = {}

    def measure_all(self, first: Mapping[int, Split], progress: Progress) -> None:
        """The splits of each class, and of both of its sides."""
        others = max(1, len(first) - 1)
        lines = min(LINES, max(1, math.ceil(PLACEBOS / (2 * others))))
        for number, (label, top) in enumerate(first.items(), 1):
            self.measured[label] = self._groups(label, top, lines)
            progress("tests", number, len(first))
        self.set_aside = self._outstanding()
        self._best = {label: self._strongest(groups) for label, groups in self.measured.items()}

    def _strongest(self, groups: Sequence[Measured]) -> tuple[float, Measured]:
        """The group with the least p-value, and that; all of them go to the log."""
        scored = [(self.p_value(each), each) for each in groups]
        self.log += [self._row(each, p) for p, each in scored]
        return min(scored, key=lambda pair: (pair[0], -pair[1].strength))

    def _groups(self, label: int, top: Split, lines: int, first: bool = True) -> list[Measured]:
        splits = [top]
        for side in top:
            splits += self.splitter.split(label, side.group, 2, lines)
        return [self._stronger(each, first) for each in splits]

    def _stronger(self, split: Split, first: bool) -> Measured:
        """The group of a split that more speaks for."""
        weaker, stronger = sorted(
            (self.measuring.measure(each, first) for each in split), key=lambda each: each.strength
        )
        return replace(stronger, lead=stronger.strength - weaker.strength)

    def _outstanding(self) -> frozenset[int]:
        """The classes that are no placebos: as many of the strongest as are significant together.

        One target would hide another if each were compared with the other. So the strongest `j`
        classes are compared with the rest only, and the largest `j` counts of which all are
        significant.
        """
        strongest = sorted(
            self.measured, key=lambda k: -max(each.strength for each in self.measured[k])
        )
        out: frozenset[int] = frozenset()
        for count in range(1, min(MOST, len(strongest)) + 1):
            together = frozenset(strongest[:count])
            least = [
                min(self.p_value(each, together) for each in self.measured[label])
                for label in strongest[:count]
            ]
            if max(least) * self.splits * self.classes < self.settings.false_alarm:
                out = together
        return out

    @property
    def splits(self) -> int:
        """Splits of a class that were looked at: its own, and those of both of its sides."""
        return max((len(groups) for groups in self.measured.values()), default=1)

    def p_value(self, measured: Measured, set_aside: frozenset[int] | None = None) -> float:
        """Of one group, by the groups of all other classes that are not set aside.

        Where more than half of the classes are, by the splits of sides of all other classes: within
        a side there is no trigger, or nothing but the trigger.
        """
        aside = self.set_aside if set_aside is None else set_aside
        within = 2 * len(aside) > len(self.measured)
        placebos = [
            each
            for label, groups in self.measured.items()
            if label != measured.candidate.label and (within or label not in aside)
            for each in groups
            if not within or each.candidate.level == 2
        ]
        kinds_of = self.measuring.interventions
        transfers = [
            p_value(
                value,
                [each.transfer[name] for each in placebos],
                max(self.settings.resolution, kinds_of[name].resolution),
            )
            for name, value in measured.transfer.items()
        ]
        transfer = min(1.0, len(transfers) * min(transfers))
        if not math.isfinite(measured.retraining):
            return transfer
        known = [each.retraining for each in placebos]
        moved = p_value(measured.retraining, known, self.settings.resolution_retraining)
        return combined(transfer, moved)

    def findings(self, label: int, rows: Tensor, agreed: Flags) -> list[Finding]:
        """The backdoors of a class: the strongest group is set aside, then what is left is split.

        Nothing is looked for after the first group that is not significant.
        """
        everything = (self.measuring.images.labels == label).nonzero().flatten()
        left, found = rows, list[Finding]()
        p, best = self._best[label]
        while len(found) < ROUNDS:
            level = self.settings.false_alarm if found else self.settings.suspicion
            if p * self.splits * self.classes >= level or not self._usable(best):
                break
            free = everything[~torch.isin(everything, rows[~torch.isin(rows, left)])]
            member = self._spread(best, free, agreed, first=not found)
            found.append(_finding(best, free, member, p))
            left = left[~torch.isin(left, found[-1].flagged)]
            again = self.splitter.split(label, left)
            if not again:
                break
            p, best = self._strongest(self._groups(label, again[0], 1, first=False))
        return found

    def _spread(self, best: Measured, rows: Tensor, agreed: Flags, first: bool) -> Tensor:
        """Membership of all images of the class, if those added are like the group's own.

        Args:
            rows: of the class that are not set aside yet.
        """
        group = best.candidate.group
        member = self.splitter.spread(best.candidate, rows, agreed)
        added = rows[(member > 0.5) & agreed[rows] & ~torch.isin(rows, group)]
        if not len(added) or self.measuring.alike(best, added, first) >= ALIKE:
            return member
        own = torch.isin(rows, group) | ~agreed[rows]
        return torch.where(own, member.maximum(torch.isin(rows, group).float()), 0.0)

    def _usable(self, measured: Measured) -> bool:
        """Whether anybody could use such a backdoor, and it is clear which group carries it."""
        largest = measured.largest
        if math.isfinite(measured.retraining):
            largest = max(largest, measured.retraining)
        return min(largest, measured.lead) >= self.settings.least

    def verdict(self, found: Sequence[Finding], doubt: str) -> Verdict:
        """What the findings say of the whole case."""
        labels = list(self.measured)
        paid = dict(
            zip(
                labels,
                holm([min(1.0, self._best[k][0] * self.splits) for k in labels], self.classes),
                strict=True,
            )
        )
        classes = tuple(self._class_evidence(k, paid[k], found) for k in sorted(labels))
        least = min(paid.values(), default=1.0)
        named = {each.label for each in found}
        targets = tuple(k for k in sorted(named) if paid[k] < self.settings.false_alarm)
        if targets:
            return Verdict("backdoored", targets, least, classes)
        doubtful = tuple(k for k in sorted(labels) if paid[k] < self.settings.suspicion)
        if doubtful:
            reason = "" if named & set(doubtful) else UNTOLD
            return Verdict("suspicious", doubtful, least, classes, reason)
        doubt = doubt or self._powerless()
        return Verdict("abstained" if doubt else "clean", (), least, classes, doubt)

    def _class_evidence(self, label: int, paid: float, found: Sequence[Finding]) -> ClassEvidence:
        best = self._best[label][1]
        images = sum(len(each.flagged) for each in found if each.label == label)
        return ClassEvidence(
            label,
            images or len(best.candidate.group),
            best.largest,
            best.necessity,
            best.retraining,
            paid,
        )

    def _powerless(self) -> str:
        """Why not even a perfect trigger would have been found; empty if it would have been."""
        everything = [each for groups in self.measured.values() for each in groups]
        level = self.settings.false_alarm / (self.splits * max(1, self.classes))
        values = [[each.largest for each in everything], [each.retraining for each in everything]]
        names = len(everything[0].transfer) if everything else 1
        limits = [
            needed(values[0], self.settings.resolution, level / names),
            needed(values[1], self.settings.resolution_retraining, level),
        ]
        if min(limits) < math.inf:
            return ""
        return (
            f"{len(everything)} groups of these images were compared, and they differ so much by "
            "nature that not even a perfect trigger would stand out: give more images or classes"
        )

    def _row(self, measured: Measured, p: float) -> dict[str, float | int | str]:
        """A group's statistics, for the log of the run."""
        candidate = measured.candidate
        sizes = {"group": len(candidate.group), "rest": len(candidate.rest)}
        transfer = {f"transfer_{name}": value for name, value in measured.transfer.items()}
        return {
            "label": candidate.label,
            "level": candidate.level,
            **sizes,
            **transfer,
            "necessity": measured.necessity,
            "retraining": measured.retraining,
            "p_value": p,
        }


def _finding(measured: Measured, rows: Tensor, member: Tensor, p: float) -> Finding:
    change = measured.changes[measured.best]
    shares = measured.largest, measured.necessity, measured.retraining
    return Finding(measured.candidate.label, rows, member, *shares, p, change)

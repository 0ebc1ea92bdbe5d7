"""The tests of one case: which groups of which classes are poisoned, and how sure that is."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ..types import ClassEvidence, Flags, Progress, Verdict
from .candidates import Split, Splitter
from .p_values import combined, holm, needed, p_value
from .records import Finding, Measured, MeasuredSplit
from .test_statistics import Measuring

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
    def resolution_probe(self) -> float: ...

    @property
    def least(self) -> float: ...


class Tests:
    """The tests of one case: measured candidates, null distributions, findings, verdict."""

    def __init__(
        self, settings: Levels, measuring: Measuring, splitter: Splitter, classes: int
    ) -> None:
        self.settings, self.measuring, self.splitter = settings, measuring, splitter
        self.classes = classes
        self.measured: dict[int, list[MeasuredSplit]] = {}
        self.set_aside: frozenset[int] = frozenset()
        self.log: list[dict[str, float | int | str]] = []
        self._best: dict[int, tuple[float, MeasuredSplit]] = {}

    def measure_all(self, first: Mapping[int, Split], progress: Progress) -> None:
        """The splits of each class, and of both of its sides."""
        others = max(1, len(first) - 1)
        lines = min(LINES, max(1, math.ceil(PLACEBOS / (2 * others))))
        for number, (label, top) in enumerate(first.items(), 1):
            rows = torch.cat([side.group for side in top])
            self.measured[label] = self._measure(label, top, lines, rows)
            progress("tests", number, len(first))
        self.set_aside = self._outstanding()
        level = self.settings.suspicion
        self._best = {
            label: self._strongest(splits, level) for label, splits in self.measured.items()
        }

    def _strongest(
        self, splits: Sequence[MeasuredSplit], level: float, left: bool = False
    ) -> tuple[float, MeasuredSplit]:
        """Of the significant splits the one with the strongest group, and its p-value.

        A group may hold another trigger beside clean images, which its own split then parts. Where
        nothing is significant, it is the split with the least p-value. All of them go to the log.

        Args:
            level: of significance, paid for by all looks.
            left: whether something of the class was set aside. What is left of it is known less
                well than other classes are, so that the probe does not count.
        """
        every = [(self.p_value(each, transfer_only=left), each) for each in splits]
        self.log += [_row(each, p) for p, each in every]
        scored = [(p, each) for p, each in every if not each.placebo]
        significant = [pair for pair in scored if pair[0] * self.splits * self.classes < level]
        if significant:
            return max(significant, key=lambda pair: pair[1].stronger.strength)
        return min(scored, key=lambda pair: (pair[0], -pair[1].stronger.strength))

    def _measure(self, label: int, top: Split, lines: int, among: Tensor) -> list[MeasuredSplit]:
        """The clearest split of the class and of each of its sides; more of these are placebos."""
        splits = [(top, False)]
        for side in top:
            of_side = self.splitter.split(label, side.group, 2, lines)
            splits += [(each, number > 0) for number, each in enumerate(of_side)]
        return [
            MeasuredSplit.of(*self.measuring.split(each, among), placebo)
            for each, placebo in splits
        ]

    def _outstanding(self) -> frozenset[int]:
        """The classes that are no placebos: as many of the strongest as are significant together.

        One target would hide another if each were compared with the other. So the strongest `j`
        classes are compared with the rest only, and the largest `j` counts of which all are
        significant.
        """
        strongest = sorted(
            self.measured,
            key=lambda k: -max(each.stronger.strength for each in tried(self.measured[k])),
        )
        out: frozenset[int] = frozenset()
        for count in range(1, min(MOST, len(strongest)) + 1):
            together = frozenset(strongest[:count])
            least = [
                min(self.p_value(each, together) for each in tried(self.measured[label]))
                for label in strongest[:count]
            ]
            if max(least) * self.splits * self.classes < self.settings.false_alarm:
                out = together
        return out

    @property
    def splits(self) -> int:
        """Splits of a class that are hypotheses: its own, and one of either of its sides."""
        return max((len(tried(splits)) for splits in self.measured.values()), default=1)

    def p_value(
        self,
        split: MeasuredSplit,
        set_aside: frozenset[int] | None = None,
        transfer_only: bool = False,
    ) -> float:
        """Of one split, by the splits of all other classes that are not set aside.

        Where more than half of the classes are, by the splits of sides of all other classes: within
        a side there is no trigger, or nothing but the trigger.
        """
        aside = self.set_aside if set_aside is None else set_aside
        within = 2 * len(aside) > len(self.measured)
        placebos = [
            each
            for label, splits in self.measured.items()
            if label != split.stronger.candidate.label and (within or label not in aside)
            for each in splits
            if not within or each.stronger.candidate.level == 2
        ]
        settings, side = self.settings, split.stronger
        transfers = [
            p_value(
                side.weighted(name),
                [each.stronger.weighted(name) for each in placebos],
                max(settings.resolution, self.measuring.interventions[name].resolution),
            )
            for name in side.transfer
        ]
        probes = [
            p_value(
                split.probed(name),
                [each.probed(name) for each in placebos],
                settings.resolution_probe,
            )
            for name in side.probes
        ]
        transfer = min(1.0, len(transfers) * min(transfers))
        if transfer_only or not probes:
            return transfer
        return combined(transfer, min(1.0, len(probes) * min(probes)))

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
            member = self._spread(best.stronger, free, agreed, left)
            found.append(_finding(best, free, member, p))
            left = left[~torch.isin(left, found[-1].flagged)]
            again = self.splitter.split(label, left)
            if not again:
                break
            splits = self._measure(label, again[0], 1, left)
            p, best = self._strongest(splits, self.settings.false_alarm, left=True)
        return found

    def _spread(self, best: Measured, rows: Tensor, agreed: Flags, among: Tensor) -> Tensor:
        """Membership of all images of the class, if those added are like the group's own.

        Args:
            rows: of the class that are not set aside yet.
            among: those of them that the model calls by their label.
        """
        group = best.candidate.group
        member = self.splitter.spread(best.candidate, rows, agreed)
        added = rows[(member > 0.5) & agreed[rows] & ~torch.isin(rows, group)]
        if not len(added) or self.measuring.alike(best, added, among) >= ALIKE:
            return member
        own = torch.isin(rows, group) | ~agreed[rows]
        return torch.where(own, member.maximum(torch.isin(rows, group).float()), 0.0)

    def _usable(self, split: MeasuredSplit) -> bool:
        """Whether anybody could use such a backdoor, and it is clear which group carries it."""
        largest = max(split.stronger.largest, split.unsupported)
        return min(largest, split.lead) >= self.settings.least

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
        split = self._best[label][1]
        best = split.stronger
        images = sum(len(each.flagged) for each in found if each.label == label)
        return ClassEvidence(
            label,
            images or len(best.candidate.group),
            best.largest,
            best.necessity,
            split.unsupported,
            paid,
        )

    def _powerless(self) -> str:
        """Why not even a perfect trigger would have been found; empty if it would have been."""
        everything = [each for splits in self.measured.values() for each in splits]
        level = self.settings.false_alarm / (self.splits * max(1, self.classes))
        names = max((len(each.stronger.transfer) for each in everything), default=1)
        limits = [
            needed(
                [each.stronger.largest for each in everything],
                self.settings.resolution,
                level / names,
            ),
            needed(
                [each.unsupported for each in everything], self.settings.resolution_probe, level
            ),
        ]
        if min(limits) < math.inf:
            return ""
        return (
            f"{len(everything)} groups of these images were compared, and they differ so much by "
            "nature that not even a perfect trigger would stand out: give more images or classes"
        )


def tried(splits: Sequence[MeasuredSplit]) -> list[MeasuredSplit]:
    """Those that are hypotheses, and not placebos alone."""
    return [each for each in splits if not each.placebo]


def _row(split: MeasuredSplit, p: float) -> dict[str, float | int | str]:
    """A split's statistics, for the log of the run."""
    measured, candidate = split.stronger, split.stronger.candidate
    return {
        "label": candidate.label,
        "level": candidate.level,
        "group": len(candidate.group),
        "rest": len(candidate.rest),
        "placebo": int(split.placebo),
        **{f"transfer_{name}": value for name, value in measured.transfer.items()},
        "necessity": measured.necessity,
        **{f"probe_{name}": split.probed(name) for name in measured.probes},
        "p_value": p,
    }


def _finding(split: MeasuredSplit, rows: Tensor, member: Tensor, p: float) -> Finding:
    best = split.stronger
    shares = best.largest, best.necessity, split.unsupported
    return Finding(best.candidate.label, rows, member, *shares, p, best.changes[best.best])

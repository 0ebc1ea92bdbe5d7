"""The verdict: hypothesis tests that decide which groups of a case are poisoned, and how surely."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from ..results import ClassEvidence, Verdict
from ..types import Flags, Progress
from .candidate_groups import ClassSplitter, Split
from .null_distribution import NullDistribution, correction_factors, hypotheses
from .records import DetectedBackdoor, GroupStatistics, SplitStatistics
from .settings import DecisionSettings
from .test_statistics import StatisticsCalculator

MAX_LINES = 5
"""Most lines that one set of images is split along."""
MAX_BACKDOORS_PER_CLASS = 8
PLACEBOS_ALONE = 4
"""Times as many placebos, where nothing else is left to compare with."""

AMBIGUOUS_GROUP = (
    "the class holds two kinds of images that differ as poisoned and clean ones do, but which of "
    "them was poisoned cannot be told. Give more of the training images"
)


class HypothesisTests:
    """The hypothesis tests of one case, from measured splits to the verdict.

    Args:
        settings: significance levels and resolutions.
        calculator: measures the test statistics.
        splitter: splits classes in two groups.
        classes: number of classes that p-values are corrected for.
    """

    def __init__(
        self,
        settings: DecisionSettings,
        calculator: StatisticsCalculator,
        splitter: ClassSplitter,
        classes: int,
    ) -> None:
        self.settings, self.calculator, self.splitter = settings, calculator, splitter
        resolutions = {
            name: max(settings.resolution, each.resolution)
            for name, each in calculator.interventions.items()
        }
        self.null = NullDistribution(settings, resolutions, classes)
        self.log: list[dict[str, float | int | str]] = []
        self._best: dict[int, tuple[float, SplitStatistics]] = {}
        self._corrected: dict[int, float] = {}

    def measure_all(self, first: Mapping[int, Split], progress: Progress) -> None:
        """Measure the splits of each class, and of both groups of its first split.

        Args:
            first: the clearest split of each class.
        """
        lines = count_lines(self.settings.placebos, len(first))
        for number, (label, split) in enumerate(first.items(), 1):
            rows = torch.cat([candidate.group for candidate in split])
            self.null.measured[label] = self._measure(label, [split], lines, rows)
            progress("tests", number, len(first))
        self.null.set_aside = self._most_classes() or self.null.significant_classes()
        level = self.settings.suspicion
        self._best = {
            label: self._strongest_split(splits, level)
            for label, splits in self.null.measured.items()
        }
        self._corrected = self.null.correct(
            {label: p for label, (p, _) in self._best.items()}, self.null.most_are_set_aside
        )

    def _strongest_split(
        self, splits: Sequence[SplitStatistics], level: float
    ) -> tuple[float, SplitStatistics]:
        """The p-value of a class or of what is left of it, and the split that shows poison best.

        That is the strongest of the significant groups, or the poisoned part of it. Without a
        significant split it is the one with the smallest p-value. All splits are logged.

        Args:
            level: significance level, after correction for all splits and classes.
        Returns:
            The smallest p-value, corrected for the number of splits.
        """
        results = [(self.null.p_value(split), split) for split in splits]
        self.log += [_log_row(split, p) for p, split in results]
        tested = [(p, split) for p, split in results if not split.placebo]
        factors = correction_factors([split for _, split in tested])
        p_values = [
            (min(1.0, p * factor), split)
            for (p, split), factor in zip(tested, factors, strict=True)
        ]
        least, first = min(p_values, key=lambda pair: (pair[0], -pair[1].stronger.strength))
        significant = [split for p, split in p_values if p * self.null.classes < level]
        if not significant or first.ordered_by_size:
            return least, first
        best = max(significant, key=lambda split: split.stronger.strength)
        parts = [split for split in significant if self._is_poisoned_part(split, best.stronger)]
        return least, max(parts or [best], key=lambda split: split.stronger.strength)

    def _is_poisoned_part(self, split: SplitStatistics, group: GroupStatistics) -> bool:
        """Whether a split parts the poison of a group from clean images of its class.

        The images of the weaker part must belong to the class for a probe that never saw the group.
        Otherwise the group may be pure: a few poisoned images don't support the others.
        """
        if not split.is_within(group):
            return False
        foreign = torch.isin(split.weaker.candidate.group, group.foreign).float().mean()
        return float(foreign) < self.settings.min_foreign and self._is_usable(split)

    def _measure(
        self, label: int, tested: Sequence[Split], lines: int, among: Tensor
    ) -> list[SplitStatistics]:
        """Measure splits of a class, and the clearest split of each group of the first of them.

        Further splits of these groups are placebos.
        """
        splits = [(split, False) for split in tested]
        for candidate in tested[0]:
            within = self.splitter.split(label, candidate.group, 2, lines)
            splits += [(split, number > 0) for number, split in enumerate(within)]
        return self._measure_each(splits, among)

    def _measure_each(
        self, splits: Sequence[tuple[Split, bool]], among: Tensor
    ) -> list[SplitStatistics]:
        """The statistics of splits, each given with whether it is a placebo."""
        return [
            SplitStatistics.of(*self.calculator.measure_split(split, among), placebo)
            for split, placebo in splits
        ]

    def _most_classes(self) -> frozenset[int]:
        """The significant classes if they are most of all classes, as in all-to-all attacks.

        Their groups can't be compared with those of other classes, since these are poisoned, too.
        Placebos take their place: within a group there is no trigger, or nothing but the trigger.
        The smaller group of each split is taken for the poisoned one, since a label says what most
        of its images show. The null distribution is replaced if so.
        """
        settings = self.settings
        foreign = [
            label
            for label, splits in self.null.measured.items()
            if any(
                group.excess >= settings.min_foreign
                for split in hypotheses(splits)
                for group in split.groups
            )
        ]
        if not self.null.are_most(foreign):
            return frozenset()
        null = NullDistribution(self.settings, self.null.resolutions, self.null.classes)
        for label, splits in self.null.measured.items():
            ordered = [split if split.placebo else split.by_size() for split in splits]
            null.measured[label] = ordered + self._more_placebos(label, splits)
        everything = frozenset(null.measured)
        p_values = {label: null.class_p_value(label, everything) for label in everything}
        rates = null.correct(p_values, most=True)
        found = frozenset(k for k, rate in rates.items() if rate < self.settings.false_alarm)
        if not null.are_most(found):
            return frozenset()
        self.null = null
        return found

    def _more_placebos(
        self, label: int, splits: Sequence[SplitStatistics]
    ) -> list[SplitStatistics]:
        """Splits of both groups of a class's first split along further lines."""
        lines = count_lines(PLACEBOS_ALONE * self.settings.placebos, len(self.null.measured)) + 1
        known = count_lines(self.settings.placebos, len(self.null.measured))
        groups = [each.candidate.group for each in splits[0].groups]
        further = [
            (split, True)
            for group in groups
            for split in self.splitter.split(label, group, 2, lines)[known:]
        ]
        return self._measure_each(further, torch.cat(groups))

    def find_backdoors(
        self, label: int, rows: Tensor, agreed: Flags, further: bool = False
    ) -> list[DetectedBackdoor]:
        """The backdoors of a class: set its strongest group aside, split the remainder, repeat.

        The search ends at the first group that is not significant. A backdoored network is close to
        its target class everywhere, so what is natural there carries over more easily than in the
        other classes. Further groups must therefore be foreign to the class, too. So must those of
        a model whose backdoors were unlearned: what is natural carries over more easily since then.

        Args:
            rows: images of the class that the model calls by their label.
            agreed: flags of these among all images of the case.
            further: whether backdoors of the model were unlearned already.
        """
        free = (self.calculator.images.labels == label).nonzero().flatten()
        remaining, backdoors = rows, list[DetectedBackdoor]()
        p, best = self._best[label]
        corrected = self._corrected[label]
        while len(backdoors) < MAX_BACKDOORS_PER_CLASS:
            level = self.settings.false_alarm if further else self.settings.suspicion
            if corrected >= level or not self._is_usable(best):
                break
            if further and not self._is_foreign(best.stronger):
                break
            member = self._membership(best.stronger, free, agreed, remaining)
            backdoors.append(_to_backdoor(best, free, member, p))
            further = True
            flagged = backdoors[-1].flagged
            remaining = remaining[~torch.isin(remaining, flagged)]
            free = free[~torch.isin(free, flagged)]
            next_splits = self.splitter.split(label, remaining, count=MAX_LINES)
            if not next_splits:
                break
            splits = self._measure(label, next_splits, 1, remaining)
            p, best = self._strongest_split(splits, self.settings.false_alarm)
            corrected = p * self.null.classes
        return backdoors

    def _membership(
        self, best: GroupStatistics, rows: Tensor, agreed: Flags, among: Tensor
    ) -> Tensor:
        """Membership in a group of all images of its class.

        Images from outside of the split's group join only if they resemble the group.

        Args:
            rows: images of the class that are not set aside yet.
            among: those of them that the model calls by their label.
        """
        group = best.candidate.group
        member = self.splitter.membership(best.candidate, best.foreign, rows, agreed)
        added = rows[(member > 0.5) & agreed[rows] & ~torch.isin(rows, group)]
        if (
            not len(added)
            or self.calculator.similarity(best, added, among) >= self.settings.min_similarity
        ):
            return member
        own = torch.isin(rows, group) | ~agreed[rows]
        return torch.where(own, member.maximum(torch.isin(rows, group).float()), 0.0)

    def _is_foreign(self, group: GroupStatistics) -> bool:
        """Whether a probe that never saw the group takes it for other classes."""
        return max(group.probes.values(), default=1.0) >= self.settings.min_foreign

    def _is_usable(self, split: SplitStatistics) -> bool:
        """Whether an attacker could use the backdoor, and it is clear which group carries it."""
        largest = max(split.stronger.max_transfer, split.max_probe_statistic)
        return min(largest, split.lead) >= self.settings.least

    def decide(self, backdoors: Sequence[DetectedBackdoor], abstain_reason: str) -> Verdict:
        """The verdict on the whole case.

        Args:
            backdoors: those of all classes.
            abstain_reason: why the case must not be called clean; empty if it may be.
        """
        labels = list(self.null.measured)
        p_values = self._corrected
        classes = tuple(self._class_evidence(k, p_values[k], backdoors) for k in sorted(labels))
        least = min(p_values.values(), default=1.0)
        accused = {backdoor.label for backdoor in backdoors}
        targets = tuple(k for k in sorted(accused) if p_values[k] < self.settings.false_alarm)
        if targets:
            return Verdict("backdoored", targets, least, classes)
        suspicious = tuple(k for k in sorted(labels) if p_values[k] < self.settings.suspicion)
        if suspicious:
            reason = "" if accused & set(suspicious) else AMBIGUOUS_GROUP
            return Verdict("suspicious", suspicious, least, classes, reason)
        reason = abstain_reason or self.null.lack_of_power()
        state: Literal["abstained", "clean"] = "abstained" if reason else "clean"
        return Verdict(state, (), least, classes, reason, self.null.smallest_group())

    def _class_evidence(
        self, label: int, p_value: float, backdoors: Sequence[DetectedBackdoor]
    ) -> ClassEvidence:
        split = self._best[label][1]
        best = split.stronger
        images = sum(len(backdoor.flagged) for backdoor in backdoors if backdoor.label == label)
        return ClassEvidence(
            label,
            images or len(best.candidate.group),
            best.transfer_from_all(best.best_intervention),
            best.necessity,
            split.max_probe_statistic,
            p_value,
        )


def count_lines(placebos: int, classes: int) -> int:
    """Lines to split each set of images along, so that there are enough placebo groups.

    >>> count_lines(24, 2), count_lines(24, 10)
    (5, 2)
    """
    others = max(1, classes - 1)
    return min(MAX_LINES, max(1, math.ceil(placebos / (2 * others))))


def _log_row(split: SplitStatistics, p_value: float) -> dict[str, float | int | str]:
    """A split's statistics, for the log of the run."""
    measured, candidate = split.stronger, split.stronger.candidate
    return {
        "label": candidate.label,
        "level": candidate.level,
        "group": len(candidate.group),
        "rest": len(candidate.rest),
        "placebo": int(split.placebo),
        **{f"transfer_{name}": split.transfer_statistic(name) for name in measured.transfer},
        "necessity": measured.necessity,
        **{f"probe_{name}": split.probe_statistic(name) for name in measured.probes},
        "p_value": p_value,
    }


def _to_backdoor(
    split: SplitStatistics, rows: Tensor, member: Tensor, p_value: float
) -> DetectedBackdoor:
    best = split.stronger
    return DetectedBackdoor(
        best.candidate.label,
        rows,
        member,
        best.max_transfer,
        best.necessity,
        split.max_probe_statistic,
        p_value,
        best.changes[best.largest_intervention],
    )

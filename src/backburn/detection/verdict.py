"""The verdict: hypothesis tests that decide which groups of a case are poisoned, and how surely."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..results import ClassEvidence, Verdict
from ..types import Flags, Progress
from .candidate_groups import ClassSplitter, Split
from .p_values import (
    adjust_p_values,
    compute_p_value,
    false_discovery_rates,
    smallest_significant,
    to_log_scale,
)
from .records import DetectedBackdoor, GroupStatistics, SplitStatistics
from .settings import DecisionSettings
from .test_statistics import StatisticsCalculator

MAX_LINES = 5
"""Most lines that one set of images is split along."""
MAX_BACKDOORS_PER_CLASS, MAX_TARGET_CLASSES = 8, 64
PLACEBOS_ALONE = 4
"""Times as many placebos, where nothing else is left to compare with."""
PERFECT_SHARE = 0.95
"""The statistic of a perfect trigger in a group of some hundred images."""

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
        self.classes = classes
        self.measured: dict[int, list[SplitStatistics]] = {}
        self.set_aside: frozenset[int] = frozenset()
        self.log: list[dict[str, float | int | str]] = []
        self._best: dict[int, tuple[float, SplitStatistics]] = {}

    def measure_all(self, first: Mapping[int, Split], progress: Progress) -> None:
        """Measure the splits of each class, and of both groups of its first split.

        Args:
            first: the clearest split of each class.
        """
        lines = count_lines(self.settings.placebos, len(first))
        for number, (label, split) in enumerate(first.items(), 1):
            rows = torch.cat([candidate.group for candidate in split])
            self.measured[label] = self._measure(label, split, lines, rows)
            progress("tests", number, len(first))
        self.set_aside = self._most_classes() or self._significant_classes()
        level = self.settings.suspicion
        self._best = {
            label: self._strongest_split(splits, level) for label, splits in self.measured.items()
        }

    def _strongest_split(
        self, splits: Sequence[SplitStatistics], level: float
    ) -> tuple[float, SplitStatistics]:
        """The p-value and the split with the strongest group among the significant splits.

        A group may hold another trigger beside clean images, and its own split then parts them. If
        nothing is significant, the split with the smallest p-value is returned. All splits are
        logged.

        Args:
            level: significance level, after correction for all splits and classes.
        """
        results = [(self.p_value(split), split) for split in splits]
        self.log += [_log_row(split, p) for p, split in results]
        scored = [(p, split) for p, split in results if not split.placebo]
        significant = [pair for pair in scored if pair[0] * self.splits * self.classes < level]
        if significant and not significant[0][1].ordered_by_size:
            return max(significant, key=lambda pair: pair[1].stronger.strength)
        return min(scored, key=lambda pair: (pair[0], -pair[1].stronger.strength))

    def _measure(
        self, label: int, first: Split, lines: int, among: Tensor
    ) -> list[SplitStatistics]:
        """Measure a split of a class and the clearest split of each of its groups.

        Further splits of these groups are placebos.
        """
        splits = [(first, False)]
        for candidate in first:
            within = self.splitter.split(label, candidate.group, 2, lines)
            splits += [(split, number > 0) for number, split in enumerate(within)]
        return [
            SplitStatistics.of(*self.calculator.measure_split(split, among), placebo)
            for split, placebo in splits
        ]

    def _significant_classes(self) -> frozenset[int]:
        """The classes to set aside: as many of the strongest as are significant together.

        One target would hide another if each were compared with the other. So the strongest `j`
        classes are compared with the rest only. The result is the largest `j` for which all of them
        are significant.
        """
        strongest = sorted(
            self.measured,
            key=lambda k: -max(split.stronger.strength for split in hypotheses(self.measured[k])),
        )
        out: frozenset[int] = frozenset()
        for count in range(1, min(MAX_TARGET_CLASSES, len(strongest) // 2) + 1):
            together = frozenset(strongest[:count])
            p_values = [self._class_p_value(label, together) for label in strongest[:count]]
            if max(p_values) * (self.classes - count + 1) < self.settings.false_alarm:
                out = together
        return out

    def _most_classes(self) -> frozenset[int]:
        """The significant classes if they are most of all classes, as in all-to-all attacks.

        Their groups can't be compared with those of other classes, since these are poisoned, too.
        Placebos take their place: within a group there is no trigger, or nothing but the trigger.
        The smaller group of each split is taken for the poisoned one, since a label says what most
        of its images show.
        """
        foreign = [
            any(split.max_probe_statistic >= self.settings.min_foreign for split in tested)
            for tested in map(hypotheses, self.measured.values())
        ]
        if 2 * sum(foreign) <= len(self.measured):
            return frozenset()
        before = dict(self.measured)
        for label, splits in before.items():
            ordered = [split if split.placebo else split.by_size() for split in splits]
            self.measured[label] = ordered + self._more_placebos(label, splits)
        everything = frozenset(self.measured)
        p_values = {label: self._class_p_value(label, everything) for label in everything}
        rates = false_discovery_rates(list(p_values.values()), self.classes)
        found = frozenset(
            label
            for label, rate in zip(p_values, rates, strict=True)
            if rate < self.settings.false_alarm
        )
        if 2 * len(found) > len(everything):
            return found
        self.measured = before
        return frozenset()

    def _more_placebos(
        self, label: int, splits: Sequence[SplitStatistics]
    ) -> list[SplitStatistics]:
        """Splits of both groups of a class's first split along further lines."""
        lines = count_lines(PLACEBOS_ALONE * self.settings.placebos, len(self.measured)) + 1
        known = count_lines(self.settings.placebos, len(self.measured))
        first = splits[0].groups
        rows = torch.cat([group.candidate.group for group in first])
        further = [
            split
            for group in first
            for split in self.splitter.split(label, group.candidate.group, 2, lines)[known:]
        ]
        return [
            SplitStatistics.of(*self.calculator.measure_split(split, rows), placebo=True)
            for split in further
        ]

    @property
    def _most_are_set_aside(self) -> bool:
        return 2 * len(self.set_aside) > len(self.measured)

    def _class_p_value(self, label: int, set_aside: frozenset[int]) -> float:
        """The least p-value of a class's splits, corrected for their number."""
        splits = hypotheses(self.measured[label])
        return min(self.p_value(split, set_aside) for split in splits) * self.splits

    @property
    def splits(self) -> int:
        """Splits of a class that are hypotheses: its own, and one of each of its groups."""
        return max((len(hypotheses(splits)) for splits in self.measured.values()), default=1)

    def p_value(
        self,
        split: SplitStatistics,
        set_aside: frozenset[int] | None = None,
    ) -> float:
        """The p-value of one split, before correction for the number of splits and classes.

        The null distribution comes from the splits of all other classes that are not set aside. If
        more than half of the classes are, it comes from the placebos of all other classes.

        Args:
            set_aside: classes to leave out of the null distribution; `self.set_aside` if None.
        """
        aside = self.set_aside if set_aside is None else set_aside
        most = 2 * len(aside) > len(self.measured)
        placebos = [
            other
            for label, splits in self.measured.items()
            if label != split.stronger.candidate.label and (most or label not in aside)
            for other in splits
            if other.placebo or not most
        ]
        settings, group = self.settings, split.stronger
        transfer = min(
            self._tail(
                group.weighted_transfer(name),
                [placebo.stronger.weighted_transfer(name) for placebo in placebos],
                max(settings.resolution, self.calculator.interventions[name].resolution),
            )
            for name in group.transfer
        ) * len(group.transfer)
        if not group.probes:
            return min(1.0, transfer)
        probe = min(
            self._tail(
                split.probe_statistic(name),
                [placebo.probe_statistic(name) for placebo in placebos],
                settings.resolution_probe,
            )
            for name in group.probes
        ) * len(group.probes)
        return min(1.0, 2 * min(transfer, probe))

    def _tail(self, value: float, null: Sequence[float], resolution: float) -> float:
        """The p-value of a share of images, on the logarithmic scale."""
        logs = [to_log_scale(share) for share in null]
        return compute_p_value(to_log_scale(value), logs, resolution, self.settings.tail)

    def find_backdoors(self, label: int, rows: Tensor, agreed: Flags) -> list[DetectedBackdoor]:
        """The backdoors of a class: set its strongest group aside, split the remainder, repeat.

        The search ends at the first group that is not significant. A backdoored network is close to
        its target class everywhere, so what is natural there carries over more easily than in the
        other classes. Further groups must therefore be foreign to the class, too.

        Args:
            rows: images of the class that the model calls by their label.
            agreed: flags of these among all images of the case.
        """
        everything = (self.calculator.images.labels == label).nonzero().flatten()
        remaining, backdoors = rows, list[DetectedBackdoor]()
        p, best = self._best[label]
        while len(backdoors) < MAX_BACKDOORS_PER_CLASS:
            level = self.settings.false_alarm if backdoors else self.settings.suspicion
            if p * self.splits * self.classes >= level or not self._is_usable(best):
                break
            if backdoors and not self._is_foreign(best.stronger):
                break
            free = everything[~torch.isin(everything, rows[~torch.isin(rows, remaining)])]
            member = self._membership(best.stronger, free, agreed, remaining)
            backdoors.append(_to_backdoor(best, free, member, p))
            remaining = remaining[~torch.isin(remaining, backdoors[-1].flagged)]
            next_splits = self.splitter.split(label, remaining)
            if not next_splits:
                break
            splits = self._measure(label, next_splits[0], 1, remaining)
            p, best = self._strongest_split(splits, self.settings.false_alarm)
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
        member = self.splitter.membership(best.candidate, rows, agreed)
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
        labels = list(self.measured)
        corrected = [min(1.0, self._best[k][0] * self.splits) for k in labels]
        adjust = false_discovery_rates if self._most_are_set_aside else adjust_p_values
        p_values = dict(zip(labels, adjust(corrected, self.classes), strict=True))
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
        reason = abstain_reason or self._lack_of_power()
        return Verdict("abstained" if reason else "clean", (), least, classes, reason)

    def _class_evidence(
        self, label: int, p_value: float, backdoors: Sequence[DetectedBackdoor]
    ) -> ClassEvidence:
        split = self._best[label][1]
        best = split.stronger
        images = sum(len(backdoor.flagged) for backdoor in backdoors if backdoor.label == label)
        return ClassEvidence(
            label,
            images or len(best.candidate.group),
            best.max_transfer,
            best.necessity,
            split.max_probe_statistic,
            p_value,
        )

    def _lack_of_power(self) -> str:
        """Why not even a perfect trigger would be significant; empty if it would be."""
        splits = [split for of_class in self.measured.values() for split in of_class]
        level = self.settings.false_alarm / (2 * self.splits * max(1, self.classes))
        interventions = max((len(split.stronger.transfer) for split in splits), default=1)
        probes = max((len(split.stronger.probes) for split in splits), default=1)
        limits = [
            smallest_significant(
                [to_log_scale(value) for value in values],
                resolution,
                level / max(1, tests),
                self.settings.tail,
                to_log_scale(PERFECT_SHARE),
            )
            for values, resolution, tests in (
                (
                    [split.stronger.max_transfer for split in splits],
                    self.settings.resolution,
                    interventions,
                ),
                (
                    [split.max_probe_statistic for split in splits],
                    self.settings.resolution_probe,
                    probes,
                ),
            )
        ]
        if min(limits) < math.inf:
            return ""
        return (
            f"{len(splits)} groups of these images were compared, and they differ so much by "
            "nature that not even a perfect trigger would stand out: give more images or classes"
        )


def count_lines(placebos: int, classes: int) -> int:
    """Lines to split each set of images along, so that there are enough placebo groups.

    >>> count_lines(24, 2), count_lines(24, 10)
    (5, 2)
    """
    others = max(1, classes - 1)
    return min(MAX_LINES, max(1, math.ceil(placebos / (2 * others))))


def hypotheses(splits: Sequence[SplitStatistics]) -> list[SplitStatistics]:
    """The splits that are tested; the others are placebos."""
    return [split for split in splits if not split.placebo]


def _log_row(split: SplitStatistics, p_value: float) -> dict[str, float | int | str]:
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
        best.changes[best.best_intervention],
    )

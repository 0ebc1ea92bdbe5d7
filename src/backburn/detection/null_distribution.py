"""The null distribution of a case: what its own groups without poison are like."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from .p_values import (
    adjust_p_values,
    combine_p_values,
    compute_p_value,
    correlation_of_ranks,
    false_discovery_rates,
    smallest_significant,
    to_log_scale,
)
from .records import SplitStatistics
from .settings import DecisionSettings

MAX_TARGET_CLASSES = 64
"""Most classes that are set aside together."""
PERFECT_SHARE = 0.95
"""The statistic of a perfect trigger in a group of some hundred images."""
NOTHING_TO_COMPARE = (
    "only one class has enough images to be tested, and there is no other to compare it with: give "
    "more images of the other classes"
)


class NullDistribution:
    """The measured splits of a case, and p-values of each of them among the others.

    Args:
        settings: significance levels and resolutions.
        resolutions: finest scale of each intervention's transfer, as a share of images.
        classes: number of classes that p-values are corrected for.
    """

    def __init__(
        self, settings: DecisionSettings, resolutions: Mapping[str, float], classes: int
    ) -> None:
        self.settings, self.resolutions, self.classes = settings, resolutions, classes
        self.measured: dict[int, list[SplitStatistics]] = {}
        self.set_aside: frozenset[int] = frozenset()

    @property
    def most_are_set_aside(self) -> bool:
        """Whether most classes are targets, so that only placebos are left to compare with."""
        return self.are_most(self.set_aside)

    def are_most(self, labels: Collection[int]) -> bool:
        """Whether these are more than half of the classes."""
        return 2 * len(labels) > len(self.measured)

    def p_value(self, split: SplitStatistics, set_aside: frozenset[int] | None = None) -> float:
        """The p-value of one split, before correction for the number of splits and classes.

        The null distribution comes from the splits of all other classes that are not set aside. If
        more than half of the classes are, it comes from the placebos of all other classes.

        Args:
            set_aside: classes to leave out of the null distribution; `self.set_aside` if None.
        """
        aside = self.set_aside if set_aside is None else set_aside
        most = self.are_most(aside)
        group, tested = split.stronger, split.stronger.candidate.label
        placebos = [
            other
            for label, splits in self.measured.items()
            if label != tested and (most or label not in aside)
            for other in splits
            if other.placebo or not most
        ]
        together = (split, *placebos)
        transfer = _table(together, SplitStatistics.transfer_statistic, group.transfer)
        p_value = self._family([self.resolutions[name] for name in group.transfer], transfer)
        if not group.probes:
            return p_value
        probe = _table(together, SplitStatistics.probe_statistic, group.probes)
        resolutions = [self.settings.resolution_probe] * len(group.probes)
        # a kind of image that stands alone shows in transfer and probe
        correlation = correlation_of_ranks(transfer[1:], probe[1:])
        return combine_p_values(p_value, self._family(resolutions, probe), correlation)

    def _family(self, resolutions: Sequence[float], table: np.ndarray) -> float:
        """The least p-value of the first row among the others, corrected for the columns."""
        logs = zip(map(to_log_scale, table.T.tolist()), resolutions, strict=True)
        p_values = [
            compute_p_value(value, null, resolution, self.settings.tail)
            for (value, *null), resolution in logs
        ]
        return min(1.0, len(p_values) * min(p_values))

    def class_p_value(self, label: int, set_aside: frozenset[int]) -> float:
        """The least p-value of a class's splits, corrected for their number."""
        splits = hypotheses(self.measured[label])
        factors = correction_factors(splits)
        p_values = [
            self.p_value(split, set_aside) * factor
            for split, factor in zip(splits, factors, strict=True)
        ]
        return min(1.0, *p_values)

    def significant_classes(self) -> frozenset[int]:
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
            p_values = [self.class_p_value(label, together) for label in strongest[:count]]
            if max(p_values) * (self.classes - count + 1) < self.settings.false_alarm:
                out = together
        return out

    def correct(self, p_values: Mapping[int, float], most: bool) -> dict[int, float]:
        """Correct the p-values of classes for their number.

        Args:
            most: whether most classes may be targets. Holm's guarantee for every single class is
                then stricter than needed, and a small share of wrong ones is guaranteed instead.
        """
        adjust = false_discovery_rates if most else adjust_p_values
        return dict(zip(p_values, adjust(list(p_values.values()), self.classes), strict=True))

    def lack_of_power(self) -> str:
        """Why not even a perfect trigger would be significant; empty if it would be."""
        if self._smallest_statistic() < math.inf:
            return ""
        if len(self.measured) < 2:
            return NOTHING_TO_COMPARE
        groups = sum(len(splits) for splits in self.measured.values())
        return (
            f"{groups} groups of these images were compared, and they differ so much by nature "
            "that not even a perfect trigger would stand out: give more images or classes"
        )

    def smallest_group(self) -> int | None:
        """Fewest images with a perfect trigger that would be significant; None if none would be.

        A statistic is weighted by the size of the group (`sampling.size_weight`).
        """
        share = -math.expm1(-self._smallest_statistic())
        if share >= PERFECT_SHARE:
            return None
        images = self.settings.natural_group * share / (PERFECT_SHARE - share)
        return max(self.settings.smallest, math.ceil(images))

    def _smallest_statistic(self) -> float:
        """The smallest significant statistic of transfer or probe on the logarithmic scale."""
        splits = [split for of_class in self.measured.values() for split in of_class]
        if len(self.measured) < 2 or not splits:
            return math.inf
        families = (
            (
                splits[0].stronger.transfer,
                SplitStatistics.transfer_statistic,
                self.settings.resolution,
            ),
            (
                splits[0].stronger.probes,
                SplitStatistics.probe_statistic,
                self.settings.resolution_probe,
            ),
        )
        factor = min(
            min(correction_factors(hypotheses(of_class))) for of_class in self.measured.values()
        )
        level = self.settings.false_alarm / (factor * max(1, self.classes))
        return min(
            smallest_significant(
                to_log_scale([max(statistic(split, name) for name in names) for split in splits]),
                resolution,
                level / len(names),
                self.settings.tail,
                to_log_scale([PERFECT_SHARE])[0],
            )
            for names, statistic, resolution in families
            if names
        )


def _table(
    splits: Sequence[SplitStatistics],
    statistic: Callable[[SplitStatistics, str], float],
    names: Iterable[str],
) -> np.ndarray:
    """Statistics of splits (rows) by name (columns)."""
    return np.array([[statistic(split, name) for name in names] for split in splits])


def hypotheses(splits: Sequence[SplitStatistics]) -> list[SplitStatistics]:
    """The splits that are tested; the others are placebos."""
    return [split for split in splits if not split.placebo]


def correction_factors(splits: Sequence[SplitStatistics]) -> list[int]:
    """What the p-values of a class's tested splits are multiplied by (Bonferroni).

    Half of the significance level goes to splits of the whole class, and half to splits of its
    groups.

    Source: weighted tests, Genovese, Roeder and Wasserman, Biometrika 2006.
    """
    levels = [split.stronger.candidate.level for split in splits]
    return [len(set(levels)) * levels.count(level) for level in levels]

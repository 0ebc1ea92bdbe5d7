"""Results of the detector: candidate groups, their statistics, backdoors and the whole result."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..results import Evidence, Verdict
from ..types import BoundaryResult, Features, Flags, Index, Labels, Logits
from .interventions.base import Change
from .interventions.transplant import TransplantChange


@dataclass(frozen=True, slots=True)
class CandidateGroup:
    """Images that may have their label because of something that was put into them.

    Args:
        label: the class.
        group: rows of the candidate group.
        rest: rows of the other group of the same split, which it is compared with.
        level: 1 for a split of the whole class, 2 for a split of one of its two groups.
    """

    label: int
    group: Index
    rest: Int64[Tensor, " r"]
    level: int = 1


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """A candidate group and its test statistics, all of them shares of images.

    Args:
        transfer: increase of the share of images of other classes that are called by the label,
            once the group's common change is applied to them; per intervention, in [-1, 1].
        necessities: share of the group that loses at least half of its lead without each of these
            changes; 0 if it transfers to nothing or can't be inverted.
        probes: per probe (of the model's own activations, of an encoder's features), the result of
            `StatisticsCalculator.probe_statistic`, in [0, 1].
        diversity: `LinearProbe.diversity`. It only decides which of two groups shows other classes.
        changes: the change of each intervention.
        weight: of the transfer, by the size of the smaller group; see `sampling.size_weight`.
        applied_to: the classes that each intervention was applied to, as a share of all other
            classes.
        foreign: rows of the group that are foreign to its class; all of them if it is not foreign.
        excess: share of the images that changes are estimated from that are foreign: 1 if only
            foreign ones are used. Else it is the share of the group that a probe without it calls
            by other classes, beyond that of random images of the class; the largest of all probes.
        sibling_excess: that of the sibling.
    """

    candidate: CandidateGroup
    transfer: Mapping[str, float]
    necessities: Mapping[str, float]
    probes: Mapping[str, float]
    diversity: float
    changes: Mapping[str, Change]
    weight: float
    applied_to: Mapping[str, float]
    foreign: Int64[Tensor, " f"]
    excess: float = 0.0
    sibling_excess: float = 0.0

    def transfer_from_all(self, name: str) -> float:
        """The transfer of an intervention as a share of images of all other classes.

        What is common to a class turns images of a similar class into its own. So a change that was
        applied to images of one class counts for no more than these.
        """
        return self.transfer[name] * self.applied_to[name]

    def explained_transfer(self, name: str) -> float:
        """That transfer, as far as the change explains the group's label.

        Images of other classes lose the label without their trigger. Clean-label images keep it,
        but then the rest of the class supports them. A change of which neither holds is no trigger
        of these images: that from poisoned to clean ones may transfer, too, since a sinusoid of
        opposite sign is a trigger as well. What sets a group apart from a sibling that shows other
        classes is the content of its own class, unless the group shows other classes, too.
        """
        transfer = self.transfer_from_all(name)
        if isinstance(self.changes.get(name), TransplantChange):
            return transfer
        same_content = max(self.excess, 1.0 - self.sibling_excess)
        return transfer * same_content * max(self.necessities[name], 1.0 - self.excess)

    @property
    def best_intervention(self) -> str:
        """The intervention that explains the group's label best."""
        return max(self.transfer, key=self.explained_transfer)

    @property
    def best_transfer(self) -> float:
        """The largest transfer that explains the group's label."""
        return self.explained_transfer(self.best_intervention)

    @property
    def necessity(self) -> float:
        """The share of the group that needs the change of the best intervention."""
        return self.necessities[self.best_intervention]

    @property
    def max_transfer(self) -> float:
        """The largest transfer of all interventions."""
        return self.transfer[self.largest_intervention]

    @property
    def largest_intervention(self) -> str:
        """The intervention with the largest transfer, whether it explains the label or not."""
        return max(self.transfer, key=lambda name: self.transfer[name])

    def weighted_transfer(self, name: str) -> float:
        """The transfer of an intervention, weighted by the size of the smaller group."""
        return self.transfer[name] * self.weight

    @property
    def supported_necessity(self) -> float:
        """Necessity, as far as the change transfers: any image loses its label without content."""
        return min(self.necessity, self.best_transfer)

    @property
    def strength(self) -> float:
        """Evidence for this group rather than for its sibling: the sum of four shares."""
        probed = max(self.probes.values(), default=0.0)
        return self.best_transfer + self.supported_necessity + probed + self.diversity


@dataclass(frozen=True, slots=True)
class SplitStatistics:
    """The statistics of both groups of a split.

    Whether one of them was poisoned is tested first; which one it was is another question.

    Args:
        groups: the weaker group and the stronger one, see `GroupStatistics.strength`.
        placebo: whether the split only fills the null distribution, and is no hypothesis.
        ordered_by_size: whether the smaller group is taken for the stronger one, whatever their
            strengths.
    """

    groups: tuple[GroupStatistics, GroupStatistics]
    placebo: bool = False
    ordered_by_size: bool = False

    @classmethod
    def of(
        cls, first: GroupStatistics, second: GroupStatistics, placebo: bool = False
    ) -> "SplitStatistics":
        """Both groups, ordered by strength."""
        weaker, stronger = sorted((first, second), key=lambda group: group.strength)
        return cls((weaker, stronger), placebo)

    def by_size(self) -> "SplitStatistics":
        """The same split with the smaller group as the candidate for the poisoned one."""
        larger, smaller = sorted(self.groups, key=lambda each: -len(each.candidate.group))
        return SplitStatistics((larger, smaller), self.placebo, ordered_by_size=True)

    @property
    def stronger(self) -> GroupStatistics:
        """The candidate for the poisoned group."""
        return self.groups[1]

    @property
    def weaker(self) -> GroupStatistics:
        """The other group."""
        return self.groups[0]

    @property
    def lead(self) -> float:
        """How much stronger that group is than its sibling; 1 if size decides."""
        if self.ordered_by_size:
            return 1.0
        return self.stronger.strength - self.weaker.strength

    def is_within(self, group: GroupStatistics) -> bool:
        """Whether this is a split of that group."""
        own, whole = self.stronger.candidate, group.candidate
        return own.level > whole.level and bool(torch.isin(own.group, whole.group).all())

    def transfer_statistic(self, name: str) -> float:
        """The transfer of an intervention, weighted by size: the larger of both groups."""
        return max(group.weighted_transfer(name) for group in self.groups)

    def probe_statistic(self, name: str) -> float:
        """A probe's statistic, the larger of both groups: how little one supports the other."""
        return max(group.probes[name] for group in self.groups)

    @property
    def max_probe_statistic(self) -> float:
        """The largest statistic of all probes; 0 without a probe."""
        return max((self.probe_statistic(name) for name in self.stronger.probes), default=0.0)


@dataclass(frozen=True, slots=True)
class DetectedBackdoor:
    """One backdoor: its target class, its poisoned group, and the evidence for it.

    Args:
        rows: all images of the class.
        member: `(m,)` probability that each of these belongs to the poisoned group.
        p_value: of the group, before correction for the number of classes.
        transfer, change: the largest transfer, and its change.
    """

    label: int
    rows: Index
    member: Float[Tensor, " m"]
    transfer: float
    necessity: float
    probe: float
    p_value: float
    change: Change | None = None

    @property
    def flagged(self) -> Tensor:
        """The rows of the poisoned group."""
        return self.rows[self.member > 0.5]


@dataclass(frozen=True, slots=True)
class DetectionResult:
    """Everything that the detector finds out about a case.

    Args:
        agreed: images that the model calls by their label.
        backdoors: one entry per backdoor; several may have the same target class.
        held_out_log_probs: class log-probabilities of suspects by classifiers that never saw them
            (see `PoisonDetector`). NaN for other images; None if nothing is flagged.
        statistics: one row per candidate group with each of its statistics, for the run's evidence.
        predictions: the class that the model calls each image; None if not kept.
        embeddings: the witness's features of each image `(n, d)`; None without one.
        second_opinion: the class that the witness calls each image `(n,)`; None without one.
    """

    boundary: BoundaryResult
    evidence: Evidence
    verdict: Verdict
    agreed: Flags
    backdoors: tuple[DetectedBackdoor, ...] = ()
    held_out_log_probs: Logits | None = None
    statistics: tuple[Mapping[str, float | int | str], ...] = field(default=(), repr=False)
    predictions: Labels | None = field(default=None, repr=False)
    embeddings: Features | None = field(default=None, repr=False)
    second_opinion: Labels | None = field(default=None, repr=False)

    def backdoor_index(self, count: int) -> Tensor:
        """For each of `count` images the position of its backdoor, -1 if it is in none."""
        out = torch.full((count,), -1)
        for position, backdoor in enumerate(self.backdoors):
            out[backdoor.flagged] = position
        return out

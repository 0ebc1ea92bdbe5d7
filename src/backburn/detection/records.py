"""What the detector passes on: candidate groups, what was measured of them, and findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..types import BoundaryResult, Evidence, Features, Flags, Index, Labels, Logits, Verdict
from .interventions.base import Change
from .interventions.transplant import TransplantChange
from .sampling import shrunk


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hypothesis: these images have this label because of something that was put into them.

    Args:
        label: the class.
        group: rows of the candidate group.
        rest: rows of the other group of the same split, which it is compared with.
        level: 1 where a whole class was split, 2 where one side of that split was.
    """

    label: int
    group: Index
    rest: Int64[Tensor, " r"]
    level: int = 1


@dataclass(frozen=True, slots=True)
class Measured:
    """A candidate and its test statistics, all of them shares of images.

    Args:
        transfer: for each intervention, by how much more of the images of other classes are called
            by the label once they have what sets the group apart, in [-1, 1].
        necessity: share of the group that loses at least half of its lead without that change.
        probes: for each probe (of the model's own activations, of an encoder's features), what
            `Measuring.probed` says, in [0, 1].
        diversity: `Probe.diversity`; it tells which of two groups shows other classes, and nothing
            else.
        changes: the change of each intervention.
    """

    candidate: Candidate
    transfer: Mapping[str, float]
    necessity: float
    probes: Mapping[str, float]
    diversity: float
    changes: Mapping[str, Change]

    @property
    def best(self) -> str:
        """The intervention with the largest transfer."""
        return max(self.transfer, key=lambda name: self.transfer[name])

    @property
    def largest(self) -> float:
        """The transfer of that one."""
        return self.transfer[self.best]

    def weighted(self, name: str) -> float:
        """The transfer of an intervention, as much as groups of this size are worth (`shrunk`)."""
        sizes = len(self.candidate.group), len(self.candidate.rest)
        return self.transfer[name] * shrunk(min(sizes))

    @property
    def strength(self) -> float:
        """What speaks for this group rather than for its sibling: the sum of its four shares.

        Transplants are left out: what a clean group shows is its class, so that its parts move
        other images to the class by nature.
        """
        mapped = [
            value
            for name, value in self.transfer.items()
            if not isinstance(self.changes.get(name), TransplantChange)
        ]
        probed = max(self.probes.values(), default=0.0)
        return max(mapped, default=0.0) + self.necessity + probed + self.diversity


@dataclass(frozen=True, slots=True)
class MeasuredSplit:
    """Both groups of a split. Which of them was poisoned is another question than whether one was.

    Args:
        sides: the group that less speaks for, and the one that more speaks for.
        placebo: whether it was made to fill the null distribution, and is no hypothesis.
    """

    sides: tuple[Measured, Measured]
    placebo: bool = False

    @classmethod
    def of(cls, first: Measured, second: Measured, placebo: bool = False) -> "MeasuredSplit":
        """The two in order of strength."""
        weaker, stronger = sorted((first, second), key=lambda each: each.strength)
        return cls((weaker, stronger), placebo)

    @property
    def stronger(self) -> Measured:
        """The candidate for the poisoned group."""
        return self.sides[1]

    @property
    def lead(self) -> float:
        """By how much more speaks for it than for its sibling."""
        return self.sides[1].strength - self.sides[0].strength

    def probed(self, name: str) -> float:
        """The larger of what a probe says of both: how little one group supports the other."""
        return max(side.probes[name] for side in self.sides)

    @property
    def unsupported(self) -> float:
        """The largest of what all probes say; 0 without one."""
        return max((self.probed(name) for name in self.stronger.probes), default=0.0)


@dataclass(frozen=True, slots=True)
class Finding:
    """One backdoor: a target class, the images that carry it, and why.

    Args:
        rows: of all images of the class.
        member: `(m,)` the probability that each of these belongs to the poisoned group.
        p_value: of the group, before it is paid for by looks at other groups and classes.
        change: what transfers, if anything does; see `Measured.best`.
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
class Findings:
    """Everything the detector found out.

    Args:
        agreed: images that the model calls by their label.
        found: one finding a backdoor; several may have the same target class.
        unseen: class log-probabilities of suspects by a retrained model and a probe that never saw
            them, on average; NaN for other images; None where nothing is convicted.
        statistics: a row for each statistic of each candidate group, for the run's evidence.
        predictions: what the model calls each image; None where that is not kept.
        embeddings: what the witness makes of each image `(n, d)`; None without one.
        second_opinion: what the witness calls each image `(n,)`; None without one.
    """

    boundary: BoundaryResult
    evidence: Evidence
    verdict: Verdict
    agreed: Flags
    found: tuple[Finding, ...] = ()
    unseen: Logits | None = None
    statistics: tuple[Mapping[str, float | int | str], ...] = field(default=(), repr=False)
    predictions: Labels | None = field(default=None, repr=False)
    embeddings: Features | None = field(default=None, repr=False)
    second_opinion: Labels | None = field(default=None, repr=False)

    def owner(self, count: int) -> Tensor:
        """For each image the position of its finding, -1 where it is in none."""
        out = torch.full((count,), -1)
        for position, finding in enumerate(self.found):
            out[finding.flagged] = position
        return out

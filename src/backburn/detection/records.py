"""What the detector passes on: candidate groups, what was measured of them, and findings."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ..types import BoundaryResult, Evidence, Flags, Index, Logits, Verdict
from .interventions.base import Change
from .interventions.transplant import TransplantChange


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
        retraining: share of the group that a model which never saw it confidently calls by another
            class, less the same share of held-out images of the class, in [-1, 1].
        changes: the change of each intervention.
        lead: by how much more speaks for this group than for the other one of its split.
    """

    candidate: Candidate
    transfer: Mapping[str, float]
    necessity: float
    retraining: float
    changes: Mapping[str, Change]
    lead: float = math.inf

    @property
    def best(self) -> str:
        """The intervention with the largest transfer."""
        return max(self.transfer, key=lambda name: self.transfer[name])

    @property
    def largest(self) -> float:
        """The transfer of that one."""
        return self.transfer[self.best]

    @property
    def strength(self) -> float:
        """What speaks for this group rather than for its sibling: the sum of the three shares.

        Transplants are left out: what a clean group shows is its class, so that its parts move
        other images to the class by nature.
        """
        retraining = self.retraining if math.isfinite(self.retraining) else 0.0
        mapped = [
            value
            for name, value in self.transfer.items()
            if not isinstance(self.changes.get(name), TransplantChange)
        ]
        return max(mapped, default=0.0) + self.necessity + retraining


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
    retraining: float
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
        unseen: class log-probabilities of each image by a model that was not trained on it; None
            where no model was retrained.
        statistics: a row for each statistic of each candidate group, for the run's evidence.
    """

    boundary: BoundaryResult
    evidence: Evidence
    verdict: Verdict
    agreed: Flags
    found: tuple[Finding, ...] = ()
    unseen: Logits | None = None
    statistics: tuple[Mapping[str, float | int | str], ...] = field(default=(), repr=False)

    def owner(self, count: int) -> Tensor:
        """For each image the position of its finding, -1 where it is in none."""
        out = torch.full((count,), -1)
        for position, finding in enumerate(self.found):
            out[finding.flagged] = position
        return out

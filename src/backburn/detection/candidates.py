"""Candidate groups: classes split in two by the activations of all layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import torch
from torch import Tensor

from ..types import Features, Flags, Index, Labels
from .activation_statistics import activation_projections, discriminated
from .records import Candidate
from .two_group_split import SMALLEST, split

Split: TypeAlias = tuple[Candidate, Candidate]
"""Both groups of a split."""


@dataclass(frozen=True, slots=True)
class Splitter:
    """Splits rows of a class in two.

    Args:
        features: channel statistics of every layer of all images, see `models.activations`.
        smallest: images of either group, at the least.
        seed: of clusters' and mixtures' starts.
    """

    features: Features
    smallest: int
    seed: int

    def split(self, label: int, rows: Index, level: int = 1, count: int = 1) -> list[Split]:
        """The clearest splits of these rows, each along another line of their activations.

        Args:
            level: see `Candidate`.
            count: splits at the most.
        Returns:
            Both groups of each split, clearest first: by how much better two normal populations
            explain a line than one does. Each is sharpened by a linear discriminant over all
            layers.
        """
        if len(rows) < max(SMALLEST, 2 * self.smallest):
            return []
        lines = activation_projections(self.features, rows, self.seed)
        found = [split(line[:, None], self.seed) for line in lines]
        found.sort(key=lambda each: -each.gain)
        out: list[Split] = []
        for each in found:
            if len(out) == count:
                break
            inside = self._inside(rows, each.member)
            if inside is None or not all(_differ(rows, inside, other) for other in out):
                continue
            first, second = rows[inside], rows[~inside]
            pair = Candidate(label, first, second, level), Candidate(label, second, first, level)
            out.append(pair)
        return out

    def _inside(self, rows: Index, member: Tensor) -> Tensor | None:
        """The sharpened split, the plain one where sharpening leaves a side too small, or None."""
        everything = torch.ones(len(rows), dtype=torch.bool)
        sharp = discriminated(self.features, rows, member, everything, self.seed)
        for each in (sharp, member):
            inside = each > 0.5
            if min(int(inside.sum()), int((~inside).sum())) >= self.smallest:
                return inside
        return None

    def spread(self, candidate: Candidate, rows: Index, agreed: Flags) -> Tensor:
        """Membership in the candidate's group of all images of its class, in [0, 1].

        What tells the group from the rest of the class also places images that took no part: those
        that the model does not call by their label, and poison on the other side of the split.
        """
        member = torch.isin(rows, candidate.group).float()
        spread = discriminated(self.features, rows, member, agreed[rows], self.seed)
        kept = float((spread[member > 0.5] > 0.5).float().mean())
        return spread if kept > 0.5 else member


def rows_by_class(labels: Labels, usable: Flags) -> dict[int, Tensor]:
    """The usable rows of each class that has enough of them."""
    rows = {
        label: ((labels == label) & usable).nonzero().flatten()
        for label in sorted(set(labels.tolist()))
    }
    return {label: index for label, index in rows.items() if len(index) >= SMALLEST}


def kinds(count: int, splits: Mapping[int, Split]) -> Tensor:
    """A number for each image by class and side of its class's split; -1 where there is none."""
    out = torch.full((count,), -1)
    for number, candidate in enumerate(chain.from_iterable(splits.values())):
        out[candidate.group] = number
    return out


def _differ(rows: Index, inside: Tensor, other: Split) -> bool:
    """Whether two splits of the same rows are two splits indeed: less than 80 % agree."""
    same = (inside == torch.isin(rows, other[0].group)).float().mean()
    return 0.2 < float(same) < 0.8

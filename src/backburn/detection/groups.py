"""Which images of a class could be a planted population, and on which side of the split it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..types import BoundaryResult, Features, Flags, Index, Labels
from .boundary_statistics import agreement, log_distance
from .populations import SMALLEST, TwoPopulations, split
from .statistics import (
    activation_projections,
    cluster_projection,
    discriminated,
    dominant_projection,
)

GAIN, APART = 0.04, 2.0
"""From here on a split is tried: nats an image, and Ashman's D (two modes show from 2 on)."""
FEWEST = 10
"""Images of either side: what sets a handful apart is whatever these happen to show."""


def rows_by_class(labels: Labels, usable: Flags) -> dict[int, Tensor]:
    """The usable rows of each class that has enough of them."""
    rows = {
        label: ((labels == label) & usable).nonzero().flatten()
        for label in sorted(set(labels.tolist()))
    }
    return {label: index for label, index in rows.items() if len(index) >= SMALLEST}


@dataclass(frozen=True, slots=True)
class Division:
    """Rows of a class, and the two populations that they are divided into."""

    rows: Index
    found: TwoPopulations

    @property
    def inside(self) -> Tensor:
        """Rows of the planted population."""
        return self.rows[self.found.member > 0.5]

    @property
    def outside(self) -> Tensor:
        """Rows of the rest of the class."""
        return self.rows[self.found.member <= 0.5]


def by_activations(features: Features, rows: Index, seed: int) -> Division:
    """A class divided along the line of its activations on which two populations show most."""
    lines = activation_projections(features, rows, seed)
    return Division(rows, _clearest([split(line[:, None], seed) for line in lines]))


def by_ways(measured: BoundaryResult, rows: Index, seed: int) -> Division:
    """Images of a class divided by their ways to its boundary, and by how long these are.

    Two views: the way that dominates with the distance, plain where clean images have each their
    own; and two clusters of ways, plainer where clean images share a way, too.

    Args:
        measured: the boundary of these rows, with directions.
    """
    rows, measured = rows[measured.found], measured.take(measured.found)
    if measured.direction is None:
        raise ValueError("the boundary was measured without directions")
    if len(rows) < SMALLEST:
        return Division(rows, TwoPopulations(torch.zeros(len(rows)), 0.0, 0.0, 0.0))
    ways, distance = measured.direction, log_distance(measured.distance)
    dominant = torch.stack([dominant_projection(ways), distance], 1)
    clusters = torch.stack([cluster_projection(ways, seed), distance], 1)
    views = [split(dominant, seed, leading=2), split(clusters, seed, leading=1)]
    return Division(rows, _clearest(views))


def _clearest(splits: Sequence[TwoPopulations]) -> TwoPopulations:
    """The split that explains its class best."""
    return max(splits, key=lambda found: found.gain)


def worth_trying(divisions: Mapping[int, Division]) -> dict[int, Division]:
    """The classes that could hold a second population."""
    return {
        label: division
        for label, division in divisions.items()
        if division.found.gain > GAIN
        and division.found.separation > APART
        and min(len(division.inside), len(division.outside)) >= FEWEST
    }


def sharpened(division: Division, features: Features, rows: Index, seed: int) -> Division:
    """The same division of all images of the class, told apart by all layers at once.

    Args:
        features: of all images of the case, see `models.activations`.
        rows: all images of the class, also those that the model does not call by its label: poison
            that it has not learnt is among them.
    """
    found = division.found
    told = torch.zeros(len(features))
    told[division.rows] = found.member
    known = torch.isin(rows, division.rows)
    member = discriminated(features, rows, told[rows], known, seed)
    return Division(rows, replace(found, member=member, share=float((member > 0.5).float().mean())))


def turned(division: Division) -> Division:
    """The same division, with the other population as planted."""
    found = division.found
    return Division(division.rows, replace(found, member=1 - found.member, share=1 - found.share))


def oriented(division: Division, ways: Features) -> Division:
    """The same division, with the population as planted whose ways to the boundary agree more.

    Args:
        ways: of each row to its boundary, in features or pixels; zeros where unknown.
    """
    known = ways.abs().sum(1) > 0
    member = division.found.member > 0.5
    inside, outside = (agreement(ways[known & side]) for side in (member, ~member))
    return division if inside >= outside else turned(division)

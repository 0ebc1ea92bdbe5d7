"""A search of the boundary that is extended, as more images come into question."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..boundary.distances import Search
from ..boundary.results import join
from ..mapping import rows_of
from ..models.inference import penultimate
from ..types import BoundaryResult, Case, Features, Flags, Index, Progress
from ..work.contract import HERE, Work


@dataclass(slots=True)
class Survey:
    """What is known of the boundary around a case's images so far.

    Ways to the boundary are as large as images, so they are kept of images that are covered only.

    Args:
        agreed: images that the model calls by their label; others are never searched.
        work: who searches.
    """

    case: Case
    agreed: Flags
    budget: str
    batch_size: int
    progress: Progress
    work: Work = HERE
    place: Index = field(init=False)
    _result: BoundaryResult = field(init=False)

    def __post_init__(self) -> None:
        self.place = torch.full((len(self.agreed),), -1)
        self._result = self._search(torch.zeros(0, dtype=torch.long))

    def cover(self, wanted: Flags) -> None:
        """Search the boundary of these images, as far as the model agrees with their labels."""
        rows = self._unknown(wanted)
        if len(rows):
            before, found = self._result, self._search(rows)
            self.place[rows] = len(before) + torch.arange(len(rows))
            self._result = join([before, found], len(before) + len(found))

    def boundary(self, wanted: Flags) -> BoundaryResult:
        """The boundary of all images, without ways, those that are wanted searched, too.

        Nothing is found where none was searched.
        """
        known, new = (self.place >= 0).nonzero().flatten(), self._unknown(wanted)
        before = replace(self._result.take(self.place[known]), direction=None, feature=None)
        found = join([before, self._search(new, ways=False)], len(known) + len(new))
        return found.scattered(torch.cat([known, new]), len(self.place))

    def of(self, rows: Index) -> BoundaryResult:
        """The boundary of these images, which were covered, with their ways.

        Raises:
            ValueError: images that were not.
        """
        if bool((self.place[rows] < 0).any()):
            raise ValueError("images whose boundary was not searched")
        return self._result.take(self.place[rows])

    def ways(self, rows: Index) -> Features:
        """The way of each of these images to its boundary, of any length; zeros where unknown.

        In features where the model names them: what the perturbation does to the penultimate layer.
        In pixels otherwise.
        """
        known = self.place[rows] >= 0
        found = self.of(rows[known])
        if found.feature is None:
            ways = found.direction.float()  # type: ignore[union-attr]
        else:
            pixels = rows_of(self.case.images.pixels, rows[known])
            before = penultimate(self.case.model, pixels, batch_size=self.batch_size)
            ways = (found.feature - before) * found.found[:, None]
        out = ways.new_zeros((len(rows), ways.shape[1]))
        out[known] = ways
        return out

    def _unknown(self, wanted: Flags) -> Tensor:
        return (wanted & self.agreed & (self.place < 0)).nonzero().flatten()

    def _search(self, rows: Tensor, ways: bool = True) -> BoundaryResult:
        named = callable(getattr(self.case.model, "features", None))
        return self.work.boundary(
            self.case.model,
            rows_of(self.case.images.pixels, rows),
            Search("2", self.budget, self.batch_size, directions=ways, features=ways and named),
            predictions=self.case.images.labels[rows],  # the images searched are those it agrees on
            progress=self.progress,
        )

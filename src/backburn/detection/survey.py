"""A search of the boundary that is extended, as more images come into question."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ..boundary.distances import boundary
from ..boundary.results import overlaid
from ..boundary.shards import boundary_in_shards
from ..models.inference import penultimate
from ..types import BoundaryResult, Case, Features, Flags, Index, Progress


@dataclass(slots=True)
class Survey:
    """What is known of the boundary around a case's images so far.

    Args:
        agreed: images that the model calls by their label; others are never searched.
        shards: folder that keeps what was searched, or None.
    """

    case: Case
    agreed: Flags
    budget: str
    batch_size: int
    progress: Progress
    shards: Path | None
    known: Flags = field(init=False)
    searches: int = 0
    _result: BoundaryResult | None = None

    def __post_init__(self) -> None:
        self.known = torch.zeros_like(self.agreed)

    def cover(self, wanted: Flags) -> BoundaryResult:
        """The boundary with these images in it, as far as the model agrees with their labels."""
        new = wanted & self.agreed & ~self.known
        if self._result is None or bool(new.any()):
            rows = new.nonzero().flatten()
            found = self._search(rows).scattered(rows, len(new))
            before, self.known = self._result, self.known | new
            self._result = found if before is None else overlaid(before, found, new)
        return self._result

    def ways(self, rows: Index) -> Features:
        """The way of each of these images to its boundary, of any length; zeros where unknown.

        In features where the model names them: what the perturbation does to the penultimate layer.
        In pixels otherwise.
        """
        known = self.cover(torch.zeros_like(self.known))
        if known.feature is None:
            return known.direction[rows].float()  # type: ignore[index]
        pixels = self.case.images.pixels[rows]
        before = penultimate(self.case.model, pixels, batch_size=self.batch_size)
        return (known.feature[rows] - before) * known.found[rows, None]

    def _search(self, rows: Tensor) -> BoundaryResult:
        search = boundary
        if self.shards is not None and len(rows):
            search = partial(boundary_in_shards, folder=self.shards / str(self.searches))
            self.searches += 1
        return search(
            self.case.model,
            self.case.images.pixels[rows],
            batch_size=self.batch_size,
            budget=self.budget,
            directions=True,
            features=callable(getattr(self.case.model, "features", None)),
            predictions=self.case.images.labels[rows],  # the images searched are those it agrees on
            progress=self.progress,
        )

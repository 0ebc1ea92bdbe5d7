"""Thumbnails of any suspect: stored with the run, or rendered on demand from the case."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import InputError
from ..executor.interface import LOCAL
from ..report.boundary_samples import sample_boundary
from ..report.gallery import Gallery, Suspect
from ..report.thumbnails import render_montage
from ..types import Case, no_progress

CACHE_SIZE = 2000
"""Number of suspects whose rendered thumbnails are kept in memory."""


class SuspectThumbnails(NamedTuple):
    """A suspect with its thumbnails `(c, h, w)`, and whether a boundary was found for it."""

    suspect: Suspect
    has_boundary: bool
    image: Tensor
    perturbed: Tensor
    perturbation: Tensor


@dataclass(frozen=True, slots=True)
class ThumbnailRenderer:
    """Searches the boundary of suspects on demand, and renders thumbnails as a gallery does.

    Args:
        case: the audited model and images.
        gallery: the gallery of the run.
        budget: effort of the boundary search.
    Raises:
        InputError: the gallery belongs to another case.
    """

    case: Case
    gallery: Gallery
    budget: str
    _cache: OrderedDict[int, SuspectThumbnails] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        images, labels = self.case.images, self.case.images.labels.tolist()
        for suspect in self.gallery.suspects:
            row = suspect.row
            if row >= len(images) or (images.name_of(row), labels[row]) != (
                suspect.image, suspect.given,
            ):  # fmt: skip
                raise InputError(
                    f"the images are not those that the run looked at: {suspect.image[:80]!r} is "
                    "not where it was, or has another label"
                )

    def render(self, indices: Sequence[int]) -> dict[int, SuspectThumbnails]:
        """Return the thumbnails of these suspects of the gallery, by index."""
        with self._lock:
            if missing := [index for index in indices if index not in self._cache]:
                self._cache.update(self._search(missing))
            thumbnails = {index: self._cache[index] for index in indices}
            while len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
            return thumbnails

    def _search(self, indices: Sequence[int]) -> dict[int, SuspectThumbnails]:
        suspects = [self.gallery.suspects[index] for index in indices]
        rows = torch.tensor([suspect.row for suspect in suspects])
        sample = sample_boundary(self.case, rows, self.budget, no_progress, LOCAL)
        boundary = sample.boundary
        return {
            index: SuspectThumbnails(
                suspect._replace(
                    distance=round(float(boundary.distance[k]), 5),
                    crossed=int(boundary.crossed_label[k]),
                ),
                bool(boundary.found[k]),
                sample.image[k],
                sample.perturbed[k],
                sample.perturbation[k],
            )
            for k, (index, suspect) in enumerate(zip(indices, suspects, strict=True))
        }


@dataclass(frozen=True, slots=True)
class ThumbnailSource:
    """Thumbnails of the suspects of a gallery.

    Args:
        gallery: holds the thumbnails of its first suspects.
        renderer: renders those of the others; without it they have none.
    """

    gallery: Gallery
    renderer: ThumbnailRenderer | None = None

    def get(self, indices: Sequence[int]) -> list[SuspectThumbnails | None]:
        """Return the thumbnails of these suspects, None for each that has none."""
        stored = len(self.gallery.image)
        missing = [index for index in indices if index >= stored]
        rendered = self.renderer.render(missing) if self.renderer and missing else {}
        return [self._stored(index) if index < stored else rendered.get(index) for index in indices]

    def montage(self, kind: str, indices: Sequence[int]) -> bytes:
        """Return one thumbnail of each suspect, side by side, as PNG; missing ones are black.

        Args:
            kind: `image`, `perturbed` or `perturbation`.
            indices: the suspects.
        """
        black = torch.zeros_like(self.gallery.image[0])
        pictures = [
            black if thumbnails is None else getattr(thumbnails, kind)
            for thumbnails in self.get(indices)
        ]
        return render_montage(torch.stack(pictures))

    def _stored(self, index: int) -> SuspectThumbnails:
        gallery = self.gallery
        return SuspectThumbnails(
            gallery.suspects[index],
            gallery.has_boundary[index],
            gallery.image[index],
            gallery.perturbed[index],
            gallery.perturbation[index],
        )

"""Pictures of any suspects: those that a run has, and others drawn when somebody looks at them."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import InputError
from ..executor.interface import HERE
from ..report.boundary_samples import look_at
from ..report.gallery import Gallery, Suspect
from ..report.thumbnails import montage_bytes
from ..types import Case, silent

HELD = 2000
"""Suspects whose pictures are held after they were drawn."""


class Drawn(NamedTuple):
    """A suspect with its pictures; `found`: whether there is a boundary."""

    suspect: Suspect
    found: bool
    image: Tensor
    perturbed: Tensor
    perturbation: Tensor


@dataclass(frozen=True, slots=True)
class Pencil:
    """Draws suspects of a case as a gallery does.

    Raises:
        InputError: the case is not the one that the gallery is of.
    """

    case: Case
    gallery: Gallery
    budget: str
    _held: OrderedDict[int, Drawn] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        images, labels = self.case.images, self.case.images.labels.tolist()
        for each in self.gallery.suspects:
            if each.row >= len(images) or (images.name_of(each.row), labels[each.row]) != (
                each.image, each.given,
            ):  # fmt: skip
                raise InputError(
                    f"the images are not those that the run looked at: {each.image[:80]!r} is not "
                    "where it was, or has another label"
                )

    def draw(self, places: Sequence[int]) -> dict[int, Drawn]:
        """The suspects at these places of the gallery."""
        with self._lock:
            if missing := [place for place in places if place not in self._held]:
                self._held.update(self._drawn(missing))
            found = {place: self._held[place] for place in places}
            while len(self._held) > HELD:
                self._held.popitem(last=False)
            return found

    def _drawn(self, places: Sequence[int]) -> dict[int, Drawn]:
        suspects = [self.gallery.suspects[place] for place in places]
        rows = torch.tensor([each.row for each in suspects])
        look = look_at(self.case, rows, self.budget, silent, HERE)
        way, out = look.way, {}
        for k, (place, suspect) in enumerate(zip(places, suspects, strict=True)):
            searched = suspect._replace(
                distance=round(float(way.distance[k]), 5), crossed=int(way.crossed_label[k])
            )
            pictures = (look.image[k], look.perturbed[k], look.perturbation[k])
            out[place] = Drawn(searched, bool(way.found[k]), *pictures)
        return out


@dataclass(frozen=True, slots=True)
class Easel:
    """What can be shown of the suspects of a gallery, with a pencil of all of them."""

    gallery: Gallery
    pencil: Pencil | None = None

    def drawn(self, places: Sequence[int]) -> list[Drawn | None]:
        """The suspects at these places; None where there is no picture."""
        pictured = len(self.gallery.image)
        later = [place for place in places if place >= pictured]
        found = self.pencil.draw(later) if self.pencil and later else {}
        return [self._kept(k) if k < pictured else found.get(k) for k in places]

    def montage(self, kind: str, places: Sequence[int]) -> bytes:
        """One picture of each suspect side by side, as PNG; black where there is none.

        Args:
            kind: `image`, `perturbed` or `perturbation`.
        """
        nothing = torch.zeros_like(self.gallery.image[0])
        drawn = self.drawn(places)
        return montage_bytes(
            torch.stack([nothing if each is None else getattr(each, kind) for each in drawn])
        )

    def _kept(self, place: int) -> Drawn:
        gallery = self.gallery
        pictures = (gallery.image, gallery.perturbed, gallery.perturbation)
        return Drawn(
            gallery.suspects[place], gallery.found[place], *(each[place] for each in pictures)
        )

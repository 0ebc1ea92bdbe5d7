"""All that a served page asks for, without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data.review import Decision
from ..report.finished_run import Finished
from ..report.html_page import SERVED, policy_of, rendered
from ..report.page_data import suspect_cells, told_always
from ..report.thumbnails import COLUMNS
from .decisions import Book, Decided
from .filters import Finder, Query
from .thumbnails import Easel

POLICY = policy_of(SERVED, "'self' data:", "; connect-src 'self'")
"""Of a served page; it asks its own server, and nobody else."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A finished run, looked at and decided on."""

    finished: Finished
    book: Book
    easel: Easel
    _finder: Finder = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_finder", Finder(self.finished.gallery))

    def page(self) -> bytes:
        """The page, in HTML."""
        gallery = self.finished.gallery
        height, width = gallery.image.shape[-2:]
        sheets = {"width": width, "height": height, "columns": COLUMNS}
        data = {**told_always(gallery, gallery.suspects), "sheets": sheets}
        return rendered(self.finished, data, SERVED, POLICY, str(self.book.path))

    def find(self, query: Query) -> dict[str, list[int]]:
        """The places of the suspects that are asked for, in their order."""
        return {"view": self._finder.find(query, self.book.decided)}

    def suspects(self, places: Sequence[int]) -> dict[str, Any]:
        """Some suspects with what was decided on each, and how many are decided in all."""
        gallery, decided = self.finished.gallery, self.book.decided
        rows = []
        for place, drawn in zip(places, self.easel.drawn(places), strict=True):
            suspect, found = gallery.suspects[place], gallery.found[place]
            if drawn is not None:
                suspect, found = drawn.suspect, drawn.found
            rows.append(
                {
                    "index": place,
                    "cells": suspect_cells(suspect, found),
                    "pictured": drawn is not None,
                    "decided": _told(decided.get(place)),
                }
            )
        return {"suspects": rows, "counts": self.book.counts()}

    def decide(self, place: int, wanted: Decided | None, before: Decided | None) -> dict[str, int]:
        """Write a decision down, and say how many there are now.

        Raises:
            InputError: see `Book.decide`.
        """
        self.book.decide(place, wanted, before)
        return self.book.counts()


def _told(decided: Decided | None) -> dict[str, Any] | None:
    if decided is None:
        return None
    return {"decision": Decision(decided[0]).name.lower(), "label": decided[1]}

"""A review session: the page, the suspects and the decisions, without HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..data.review import Decision
from ..report.finished_run import FinishedRun
from ..report.html_page import SERVED_SCRIPTS, content_security_policy, render_page
from ..report.page_data import common_page_data, suspect_cells
from ..report.thumbnails import SHEET_COLUMNS
from .decisions import Decisions, LabelDecision
from .filters import SuspectFilter, SuspectQuery
from .thumbnails import ThumbnailSource

CONTENT_SECURITY_POLICY = content_security_policy(
    SERVED_SCRIPTS, "'self' data:", "; connect-src 'self'"
)
"""Policy of a served page, which may send requests to its own server only."""


@dataclass(frozen=True, slots=True)
class ReviewSession:
    """A finished run with the decisions about its suspects and their thumbnails."""

    run: FinishedRun
    decisions: Decisions
    thumbnails: ThumbnailSource
    _filter: SuspectFilter = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_filter", SuspectFilter(self.run.gallery))

    def page(self) -> bytes:
        """Render the page, as HTML in UTF-8."""
        gallery = self.run.gallery
        height, width = gallery.image.shape[-2:]
        sheets = {"width": width, "height": height, "columns": SHEET_COLUMNS}
        data = {**common_page_data(gallery, gallery.suspects), "sheets": sheets}
        return render_page(
            self.run,
            data,
            SERVED_SCRIPTS,
            CONTENT_SECURITY_POLICY,
            decisions_path=str(self.decisions.path),
        )

    def find(self, query: SuspectQuery) -> dict[str, list[int]]:
        """Return the indices of the suspects that match a query, in its order."""
        return {"view": self._filter.find(query, self.decisions.decided)}

    def suspects(self, indices: Sequence[int]) -> dict[str, Any]:
        """Return these suspects with their decisions, and the counts of all decisions."""
        gallery, decided = self.run.gallery, self.decisions.decided
        rows = []
        for index, pictured in zip(indices, self.thumbnails.get(indices), strict=True):
            suspect, has_boundary = gallery.suspects[index], gallery.has_boundary[index]
            if pictured is not None:
                suspect, has_boundary = pictured.suspect, pictured.has_boundary
            rows.append(
                {
                    "index": index,
                    "cells": suspect_cells(suspect, has_boundary),
                    "pictured": pictured is not None,
                    "decided": _to_message(decided.get(index)),
                }
            )
        return {"suspects": rows, "counts": self.decisions.counts()}

    def decide(
        self, index: int, decision: LabelDecision | None, before: LabelDecision | None
    ) -> dict[str, int]:
        """Record a decision, and return how many of each kind there are now.

        Raises:
            InputError: see `Decisions.decide`.
        """
        self.decisions.decide(index, decision, before)
        return self.decisions.counts()


def _to_message(decided: LabelDecision | None) -> dict[str, Any] | None:
    if decided is None:
        return None
    decision, label = decided
    return {"decision": Decision(decision).name.lower(), "label": label}

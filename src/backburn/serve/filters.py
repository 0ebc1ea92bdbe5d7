"""Filters, sort orders and file-name search over the suspects of a gallery."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..data.review import Decision
from ..report.gallery import Gallery

Sort: TypeAlias = Literal["rank", "confidence", "distance", "name", "restored"]
UNDECIDED = -1
"""Code of a suspect without a decision; the others are those of `Decision`."""
DECISION_CODES = {
    "open": UNDECIDED,
    **{decision.name.lower(): int(decision) for decision in Decision},
}


@dataclass(frozen=True, slots=True)
class SuspectQuery:
    """A selection made on the page; None doesn't filter.

    Args:
        given: class number of the given label.
        restored: class number of the restored label.
        decision: what was decided; `open` is undecided.
        sort: key of the order.
        search: part of the file name, in any case.
    """

    given: int | None = None
    restored: int | None = None
    decision: Literal["open", "accept", "reject", "relabel"] | None = None
    sort: Sort = "rank"
    search: str = ""


class SuspectFilter:
    """Selects suspects of a gallery by query. The sort orders are computed once, in advance."""

    def __init__(self, gallery: Gallery):
        suspects = gallery.suspects
        self._given = np.array([suspect.given for suspect in suspects], dtype=np.int32)
        self._restored = np.array([suspect.restored for suspect in suspects], dtype=np.int32)
        self._names = [suspect.image.lower() for suspect in suspects]
        distances = [
            suspect.distance if has_boundary else -1.0
            for suspect, has_boundary in zip(suspects, gallery.has_boundary, strict=True)
        ]
        images = [suspect.image for suspect in suspects]
        keys = {
            "confidence": np.array([suspect.confidence for suspect in suspects]),
            "distance": -np.array(distances),
            "restored": self._restored,
        }
        # stable, so that ties stay in the order of their ranks
        self._orders: Mapping[str, np.ndarray] = {
            "rank": np.arange(len(suspects)),
            "name": np.array(sorted(range(len(images)), key=images.__getitem__), dtype=np.int64),
            **{name: values.argsort(kind="stable") for name, values in keys.items()},
        }

    def find(self, query: SuspectQuery, decided: Mapping[int, tuple[int, int]]) -> list[int]:
        """Return the indices of the matching suspects, in the order of the query.

        Args:
            query: the filters and the sort key.
            decided: decision and label of each decided suspect, by index.
        """
        selected = np.ones(len(self._names), dtype=bool)
        if query.given is not None:
            selected &= self._given == query.given
        if query.restored is not None:
            selected &= self._restored == query.restored
        if query.decision is not None:
            selected &= self._decision_codes(decided) == DECISION_CODES[query.decision]
        if query.search:
            text = query.search.lower()
            matches = (text in name for name in self._names)
            selected &= np.fromiter(matches, bool, len(self._names))
        order = self._orders[query.sort]
        indices: list[int] = order[selected[order]].tolist()
        return indices

    def _decision_codes(self, decided: Mapping[int, tuple[int, int]]) -> np.ndarray:
        codes = np.full(len(self._names), UNDECIDED)
        if decided:
            codes[list(decided)] = [decision for decision, _ in decided.values()]
        return codes

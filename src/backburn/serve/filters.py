"""Which suspects are meant, and in what order: filter, sort and search over all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from ..data.review import Decision
from ..report.gallery import Gallery

Sort: TypeAlias = Literal["rank", "confidence", "distance", "name", "restored"]
OPEN = -1
"""What is undecided, where decisions are numbers."""
STATES = {"open": OPEN, **{each.name.lower(): int(each) for each in Decision}}


@dataclass(frozen=True, slots=True)
class Query:
    """What is chosen on the page; None is all of them. `search` is a part of the file name."""

    given: int | None = None
    restored: int | None = None
    decision: Literal["open", "accept", "reject", "relabel"] | None = None
    sort: Sort = "rank"
    search: str = ""


class Finder:
    """The suspects of a gallery as columns, and their orders, made once."""

    def __init__(self, gallery: Gallery):
        suspects = gallery.suspects
        self._given, self._restored = (
            np.array([getattr(each, name) for each in suspects], dtype=np.int32)
            for name in ("given", "restored")
        )
        self._names = [each.image.lower() for each in suspects]
        distance = [
            each.distance if found else -1.0
            for each, found in zip(suspects, gallery.found, strict=True)
        ]
        images = [each.image for each in suspects]
        keys = {
            "confidence": np.array([each.confidence for each in suspects]),
            "distance": -np.array(distance),
            "restored": self._restored,
        }
        # ties stay in the order of ranks
        self._orders: Mapping[str, np.ndarray] = {
            "rank": np.arange(len(suspects)),
            "name": np.array(sorted(range(len(images)), key=images.__getitem__), dtype=np.int64),
            **{name: values.argsort(kind="stable") for name, values in keys.items()},
        }

    def find(self, query: Query, decided: Mapping[int, tuple[int, int]]) -> list[int]:
        """Suspects by their place in the gallery, in the order that is asked for.

        Args:
            decided: a decision and a label, of the suspects that somebody has decided on.
        """
        chosen = np.ones(len(self._names), dtype=bool)
        if query.given is not None:
            chosen &= self._given == query.given
        if query.restored is not None:
            chosen &= self._restored == query.restored
        if query.decision is not None:
            chosen &= self._states(decided) == STATES[query.decision]
        if query.search:
            typed = query.search.lower()
            chosen &= np.fromiter((typed in name for name in self._names), bool, len(self._names))
        order = self._orders[query.sort]
        found: list[int] = order[chosen[order]].tolist()
        return found

    def _states(self, decided: Mapping[int, tuple[int, int]]) -> np.ndarray:
        states = np.full(len(self._names), OPEN)
        if decided:
            states[list(decided)] = [decision for decision, _ in decided.values()]
        return states

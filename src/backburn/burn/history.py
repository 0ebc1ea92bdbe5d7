"""The history of a repair: how long each phase took, and what it changed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..results import Phase, Suspects


@contextmanager
def timed_phase(name: str, history: list[Phase]) -> Iterator[dict[str, float]]:
    """Time the block as a phase, and append it to the history with its figures.

    >>> history = []
    >>> with timed_phase("refinement", history) as figures:
    ...     figures.update(suspects=5)
    >>> history[0].name, history[0].figures
    ('refinement', {'suspects': 5})
    """
    figures: dict[str, float] = {}
    start = time.perf_counter()
    yield figures
    history.append(Phase(name, round(time.perf_counter() - start, 3), figures))


def count_changes(before: Suspects, after: Suspects) -> dict[str, float]:
    """Numbers of suspects that there are, that joined, that left, and that were relabeled."""
    old = dict(zip(before.index.tolist(), before.restored_label.tolist(), strict=True))
    new = dict(zip(after.index.tolist(), after.restored_label.tolist(), strict=True))
    return {
        "suspects": len(new),
        "joined": len(new.keys() - old.keys()),
        "left": len(old.keys() - new.keys()),
        "relabeled": sum(old[row] != new[row] for row in new.keys() & old.keys()),
    }


def any_changed(changes: dict[str, float]) -> bool:
    """Whether `count_changes` counted any change of the suspects."""
    return bool(changes["joined"] + changes["left"] + changes["relabeled"])

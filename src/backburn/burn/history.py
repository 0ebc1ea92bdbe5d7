"""The diary of a repair: what each phase took, and what it changed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..types import Phase, Suspects


@contextmanager
def timed(name: str, diary: list[Phase]) -> Iterator[dict[str, float]]:
    """Enter a phase in the diary, with its seconds and the figures that were filled in."""
    figures: dict[str, float] = {}
    start = time.perf_counter()
    yield figures
    diary.append(Phase(name, round(time.perf_counter() - start, 3), figures))


def changes(before: Suspects, after: Suspects) -> dict[str, float]:
    """How many suspects there are, joined, left, and changed their restored label."""
    old = dict(zip(before.index.tolist(), before.restored_label.tolist(), strict=True))
    new = dict(zip(after.index.tolist(), after.restored_label.tolist(), strict=True))
    return {
        "suspects": len(new),
        "joined": len(new.keys() - old.keys()),
        "left": len(old.keys() - new.keys()),
        "relabeled": sum(old[row] != new[row] for row in new.keys() & old.keys()),
    }

"""What a repair did with a person's decisions, as its run has it."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..data.csv_cells import read_csv
from ..errors import InputError

REVIEW = "review.csv"
COLUMNS = ("image", "decision", "outcome")
MOST = 200
"""Rows that a page lists."""
WORDS = {"accept": "accepted", "reject": "rejected", "relabel": "relabeled"}


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Decisions and what was done: how many of each, and the first rows; `left` are not listed."""

    counts: tuple[tuple[str, int], ...]
    rows: tuple[tuple[str, str, str], ...]
    left: int


def outcomes_of(run: Path) -> Outcomes | None:
    """The outcomes in a run; None where nobody's decisions were honoured in it."""
    if not (run / REVIEW).is_file():
        return None
    try:
        rows = read_csv(run / REVIEW, COLUMNS)
    except InputError:  # decisions that no repair has honoured yet
        return None
    if not rows:
        return None
    tally = Counter(WORDS.get(row["decision"], row["decision"]) for row in rows)
    listed = tuple(tuple(row[name] for name in COLUMNS) for row in rows[:MOST])
    return Outcomes(tuple(tally.items()), listed, max(0, len(rows) - MOST))  # type: ignore[arg-type]

"""Tables of the report, as rows of text, and the schema of the metrics that they are made from."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec

from ..data.csv_cells import read_csv
from ..errors import InputError
from ..results import Phase
from .phrases import format_percent

Share = float | None
"""A fraction, None if it wasn't measured."""


class PageDataClass(msgspec.Struct):
    """Recorded evidence about one class; `reversion` is in records of version 0.1 only."""

    name: str
    label: int
    transfer: Share
    p_value: Share
    images: int | None = None
    necessity: Share = None
    probe: Share = None
    reversion: Share = None


class PageDataVerdict(msgspec.Struct):
    """Recorded verdict about the whole case."""

    state: Literal["clean", "suspicious", "backdoored", "abstained"]
    target_labels: list[int]
    target_names: list[str]
    p_value: Share
    reason: str
    classes: list[PageDataClass]
    suspects: int
    suspect_share: tuple[float, float]
    images: int
    images_in_all: int
    skipped: list[str]


class PageDataChecks(msgspec.Struct):
    """Recorded checks of a repair, which need no truth; see `repair_checks.RepairChecks`."""

    accuracy: tuple[Share, Share]
    reversion: tuple[Share, Share]
    distance: tuple[Share, Share]
    images: int
    suspects: int
    searched: int


class PageDataScores(msgspec.Struct):
    """Recorded scores of a model, which need the truth."""

    acc: Share
    asr: Share
    ra: Share


class PageDataFit(msgspec.Struct):
    """Recorded share of images that the model predicts as labeled."""

    accuracy: float
    images: int
    as_read: float
    explanation: str


class PageData(msgspec.Struct):
    """The metrics of a record that a report needs; others are ignored."""

    verdict: PageDataVerdict
    suspects: dict[str, Share] | None
    before: PageDataScores | None = None
    after: PageDataScores | None = None
    checks: PageDataChecks | None = None
    history: list[Phase] = []
    notes: list[str] = []
    fit: PageDataFit | None = None


SCORE_LABELS = {
    "acc": ("Accuracy on clean test images (ACC)", "higher is better"),
    "asr": ("Triggered images called what the attacker wants (ASR)", "lower is better"),
    "ra": ("Triggered images called by their right label (RA)", "higher is better"),
}
"""Name and note of each score."""


class ComparisonRow(NamedTuple):
    """A measure before and after a repair, as text.

    `note` says on which images it was measured, or which direction is better.
    """

    name: str
    note: str
    before: str
    after: str
    change: str


def score_rows(metrics: Mapping[str, Any]) -> list[ComparisonRow]:
    """Return the rows of ACC, ASR and RA that were measured; none without test images."""
    before, after = metrics.get("before"), metrics.get("after")
    if not before or not after:
        return []
    return [
        _share_row(name, note, before[score], after[score])
        for score, (name, note) in SCORE_LABELS.items()
        if before[score] is not None
    ]


def check_rows(checks: Mapping[str, Any] | None) -> list[ComparisonRow]:
    """Return the rows of the checks that need no truth.

    Args:
        checks: `repair_checks.RepairChecks` as the record has it, or None.
    """
    if not checks:
        return []
    distances = [distance for distance in checks["distance"] if distance is not None]
    rows = [
        _share_row(
            "Accuracy on training images that were no suspects",
            f"{checks['images']:,} images; should stay",
            *checks["accuracy"],
        ),
        _share_row(
            "Suspects called by their restored label (reversion)",
            f"of {checks['suspects']:,} suspects, those with another label; should rise",
            *checks["reversion"],
        ),
    ]
    if len(distances) == 2:
        before, after = distances
        note = f"median of {checks['searched']} images, L2; tells where the boundary has gone"
        change = f"{after - before:+.3f}"
        name = "Boundary distance of the target classes' other images"
        rows.append(ComparisonRow(name, note, f"{before:.3f}", f"{after:.3f}", change))
    return rows


def cost_rows(seconds: Mapping[str, float]) -> list[tuple[str, str]]:
    """Return the seconds of each phase, as text.

    >>> cost_rows({"read": 0.5, "repair": 4})
    [('read', '0.50'), ('repair', '4.00')]
    """
    return [(phase, f"{spent:.2f}") for phase, spent in seconds.items()]


def _share_row(name: str, note: str, before: float | None, after: float | None) -> ComparisonRow:
    both = before is not None and after is not None and not isnan(before) and not isnan(after)
    change = f"{100 * (after - before):+.1f} points" if both else "-"  # type: ignore[operator]
    return ComparisonRow(name, note, format_percent(before), format_percent(after), change)


REVIEW = "review.csv"
OUTCOME_COLUMNS = ("image", "decision", "outcome")
MAX_OUTCOMES = 200
"""Maximum number of outcomes that a page lists."""
DECISION_WORDS = {"accept": "accepted", "reject": "rejected", "relabel": "relabeled"}


@dataclass(frozen=True, slots=True)
class ReviewOutcomes:
    """What a repair did with a person's decisions.

    Args:
        counts: the number of decisions of each kind.
        rows: image, decision and outcome of the first `MAX_OUTCOMES` decisions.
        unlisted: the number of decisions beyond those.
    """

    counts: tuple[tuple[str, int], ...]
    rows: tuple[tuple[str, str, str], ...]
    unlisted: int


def read_outcomes(run: Path) -> ReviewOutcomes | None:
    """Read the outcomes of a review from a run; None if the run applied no decisions."""
    if not (run / REVIEW).is_file():
        return None
    try:
        rows = read_csv(run / REVIEW, OUTCOME_COLUMNS)
    except InputError:  # decisions that no repair has applied yet have no outcomes
        return None
    if not rows:
        return None
    tally = Counter(DECISION_WORDS.get(row["decision"], row["decision"]) for row in rows)
    listed = tuple((row["image"], row["decision"], row["outcome"]) for row in rows[:MAX_OUTCOMES])
    return ReviewOutcomes(tuple(tally.items()), listed, max(0, len(rows) - MAX_OUTCOMES))

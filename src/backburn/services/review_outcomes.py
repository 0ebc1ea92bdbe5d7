"""A person's review of a run's suspects: reading it, and reporting what each decision did."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.csv_cells import csv_bytes, read_csv
from ..data.review import Decision, Review
from ..data.review_file import COLUMNS, read_review
from ..errors import InputError
from ..results import Unlearned
from ..types import LabeledImages
from .opened_case import OpenedCase
from .result_tables import class_name

REVIEW_FILE = "review.csv"


@dataclass(frozen=True, slots=True)
class ReviewFile:
    """A `review.csv`.

    Args:
        review: its decisions.
        rows: its cells by column, in the order of the decisions.
        path: of the file; empty if the review came from memory.
        sha256: of the file; empty if the review came from memory.
    """

    review: Review
    rows: tuple[dict[str, str], ...]
    path: str
    sha256: str

    def reference(self) -> dict[str, str]:
        """Path and SHA-256, as the run's record holds them."""
        return {"path": self.path, "sha256": self.sha256}


def open_review(path: str | None, images: LabeledImages) -> ReviewFile | None:
    """Read the review at `path`; None if `path` is None.

    Raises:
        InputError: see `read_review`.
    """
    if path is None:
        return None
    review, rows = read_review(path, images), read_csv(Path(path), COLUMNS)
    try:
        digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return ReviewFile(review, tuple(rows), path, digest)


def review_from_memory(review: Review | None, opened: OpenedCase) -> ReviewFile | None:
    """A `Review` with the rows that its `review.csv` would have; None if there is none."""
    if review is None:
        return None
    images = opened.case.images
    words = {int(decision): decision.name.lower() for decision in Decision}
    columns = (review.index.tolist(), review.decision.tolist(), review.label.tolist())
    rows = tuple(
        {
            "image": images.name_of(row),
            "given_label": class_name(images, int(images.labels[row])),
            "restored_label": class_name(images, label),
            "decision": words[decision],
            "label": class_name(images, label),
        }
        for row, decision, label in zip(*columns, strict=True)
    )
    return ReviewFile(review, rows, "", "")


def decision_outcomes(review: Review, repaired: Unlearned, images: LabeledImages) -> list[str]:
    """What the repair did with each reviewed image, in words."""
    flagged = repaired.evidence.flagged[review.index].tolist()
    given_labels = images.labels[review.index].tolist()
    columns = (review.decision.tolist(), review.label.tolist(), given_labels, flagged)
    return [_outcome(images, *row) for row in zip(*columns, strict=True)]


def _outcome(
    images: LabeledImages, decision: int, label: int, given_label: int, flagged: bool
) -> str:
    if decision == Decision.REJECT:
        return "kept clean"
    verb = "relabeled to" if decision == Decision.RELABEL else "unlearned as"
    if label == given_label:  # training on clean-label poison would restore the backdoor
        verb = "left out of training as"
    return f"{'' if flagged else 'was no suspect, '}{verb} {class_name(images, label)}"


def review_csv(review_file: ReviewFile, repaired: Unlearned, images: LabeledImages) -> bytes:
    """The review as CSV with an additional column `outcome`, see `decision_outcomes`."""
    outcomes = decision_outcomes(review_file.review, repaired, images)
    rows = [
        {**row, "outcome": outcome} for row, outcome in zip(review_file.rows, outcomes, strict=True)
    ]
    return csv_bytes((*COLUMNS, "outcome"), rows)


def review_counts(review: Review, repaired: Unlearned) -> dict[str, int]:
    """Counts of the decisions, by name.

    `rejected`, `accepted` and `relabeled` count decisions. `unsuspected` counts those of the last
    two that the detector did not flag, and `undecided` the suspects without a decision.
    """
    tally = Counter(review.decision.tolist())
    undecided = ~review.decided(len(repaired.evidence.flagged))[repaired.suspects.index]
    return {
        "rejected": tally[Decision.REJECT],
        "accepted": tally[Decision.ACCEPT],
        "relabeled": tally[Decision.RELABEL],
        "unsuspected": int((~repaired.evidence.flagged[review.accepted]).sum()),
        "undecided": int(undecided.sum()),
    }


def review_line(counts: dict[str, Any]) -> str:
    """The counts of `review_counts` as a sentence."""
    return (
        f"review: {counts['rejected']} kept clean, {counts['accepted']} accepted, "
        f"{counts['relabeled']} relabeled ({counts['unsuspected']} of these were no suspects); "
        f"{counts['undecided']} suspects undecided"
    )

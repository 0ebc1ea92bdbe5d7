"""A person's review of a run's suspects: read, honoured, and answered row by row."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.csv_cells import csv_bytes, read_csv
from ..data.review import Decision, Review
from ..data.review_file import COLUMNS, read_review
from ..errors import InputError
from ..types import LabeledImages, Unlearned
from .opened_case import Opened
from .result_tables import class_name

REVIEW = "review.csv"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A `review.csv`: its decisions, its rows in the same order, where it is, and its SHA-256."""

    review: Review
    rows: tuple[dict[str, str], ...]
    path: str
    sha256: str

    def said(self) -> dict[str, str]:
        """What a record says of it."""
        return {"path": self.path, "sha256": self.sha256}


def open_review(path: str | None, images: LabeledImages) -> Reviewed | None:
    """The review at `path`, if one is named.

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
    return Reviewed(review, tuple(rows), path, digest)


def reviewed_in_memory(review: Review | None, opened: Opened) -> Reviewed | None:
    """Decisions that came as a `Review`, with the rows that a `review.csv` of them has."""
    if review is None:
        return None
    images = opened.case.images
    words = {int(each): each.name.lower() for each in Decision}
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
    return Reviewed(review, rows, "", "")


def answers(review: Review, repaired: Unlearned, images: LabeledImages) -> list[str]:
    """What was done with each image that was decided on, in words."""
    flagged = repaired.evidence.flagged[review.index].tolist()
    given = images.labels[review.index].tolist()
    columns = (review.decision.tolist(), review.label.tolist(), given, flagged)
    return [_answer(images, *row) for row in zip(*columns, strict=True)]


def _answer(images: LabeledImages, decision: int, label: int, given: int, flagged: bool) -> str:
    if decision == Decision.REJECT:
        return "kept clean"
    verb = "relabeled to" if decision == Decision.RELABEL else "unlearned as"
    if label == given:  # clean-label poison: trained on, it would teach the backdoor again
        verb = "left out of training as"
    return f"{'' if flagged else 'was no suspect, '}{verb} {class_name(images, label)}"


def review_csv(reviewed: Reviewed, repaired: Unlearned, images: LabeledImages) -> bytes:
    """The review with a column `outcome`: see `answers`."""
    outcomes = answers(reviewed.review, repaired, images)
    rows = [{**row, "outcome": said} for row, said in zip(reviewed.rows, outcomes, strict=True)]
    return csv_bytes((*COLUMNS, "outcome"), rows)


def counts_of(review: Review, repaired: Unlearned) -> dict[str, int]:
    """How many were `rejected`, `accepted` and `relabeled`.

    And `unsuspected`: how many of the last two the detector did not flag; `undecided`: suspects
    that are left to the method.
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
    """The same in words."""
    return (
        f"review: {counts['rejected']} kept clean, {counts['accepted']} accepted, "
        f"{counts['relabeled']} relabeled ({counts['unsuspected']} of these were no suspects); "
        f"{counts['undecided']} suspects undecided"
    )

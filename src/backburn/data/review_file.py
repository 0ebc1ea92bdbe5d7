"""Reading `review.csv`, the file of a reviewer's decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import InputError, unknown_name
from ..types import LabeledImages
from .csv_cells import read_csv
from .review import Decision, Review

COLUMNS = ("image", "given_label", "restored_label", "decision", "label")
DECISIONS = {decision.name.lower(): decision for decision in Decision}


def read_review(path: str | Path, images: LabeledImages) -> Review:
    """Read the decisions of a `review.csv` about these images.

    Rows may be in any order, and other columns than `COLUMNS` are ignored.

    Raises:
        InputError: the file cannot be read, or a row does not fit the images. This is the case for
            an image that is missing, ambiguous, repeated or has another given label; an unknown
            class or decision; and a label that contradicts the decision.
    """
    rows = read_csv(Path(path), COLUMNS)
    names = [images.name_of(row) for row in range(len(images))]
    class_names = images.class_names or tuple(map(str, range(images.class_count)))
    parsed = parse_decisions(rows, str(path), names, images.labels.tolist(), class_names)
    return Review(
        index=torch.tensor(list(parsed), dtype=torch.long),
        decision=torch.tensor([decision for decision, _ in parsed.values()], dtype=torch.long),
        label=torch.tensor([label for _, label in parsed.values()], dtype=torch.long),
    )


def parse_decisions(
    rows: Sequence[Mapping[str, str]],
    path: str,
    names: Sequence[str],
    labels: Sequence[int],
    class_names: Sequence[str],
) -> dict[int, tuple[int, int]]:
    """Return `Decision` and label by row of the image, in the order of the file.

    Args:
        rows: of the `review.csv` at `path`.
        names, labels: of each image.
        class_names: one for each class.
    Raises:
        InputError: see `read_review`.
    """
    image_rows = _positions(names, {row["image"] for row in rows})
    parser = _RowParser(image_rows, _positions(class_names, set(class_names)), labels)
    parsed: dict[int, tuple[int, int]] = {}
    for number, row in enumerate(rows, 1):
        where = f"row {number} of {path}"
        index, decision, label = parser.parse(row, where)
        if index in parsed:
            raise InputError(
                f"{where} decides on {_shorten(row['image'])} for the second time: leave one of "
                "the rows out"
            )
        parsed[index] = decision, label
    return parsed


@dataclass(frozen=True, slots=True)
class _RowParser:
    """Parses rows of a review.

    `image_rows` holds the rows of the images by name, `class_numbers` the classes by name, and
    `labels` the label of each image.
    """

    image_rows: Mapping[str, Sequence[int]]
    class_numbers: Mapping[str, Sequence[int]]
    labels: Sequence[int]

    def parse(self, row: Mapping[str, str], where: str) -> tuple[int, int, int]:
        """Return row of the image, decision and label."""
        index = self._image(row["image"], where)
        if row["decision"] not in DECISIONS:
            raise unknown_name("decision", row["decision"][:80], DECISIONS, where)
        decision = DECISIONS[row["decision"]]
        given_label = self._class_number(row["given_label"], where)
        label = self._class_number(row["label"], where)
        if given_label != self.labels[index]:
            raise InputError(
                f"{where}: {_shorten(row['image'])} is not labeled {_shorten(row['given_label'])} "
                "here: give the review of these images"
            )
        implied = {Decision.REJECT: "given_label", Decision.ACCEPT: "restored_label"}.get(decision)
        if implied and row["label"] != row[implied]:
            raise InputError(
                f"{where}: {row['decision']} goes with the {implied}, {_shorten(row[implied])}, "
                f"but the label is {_shorten(row['label'])}: make it that, or the decision relabel"
            )
        return index, int(decision), label

    def _image(self, name: str, where: str) -> int:
        rows = self.image_rows.get(name, ())
        if not rows:
            raise InputError(
                f"{where}: there is no image {_shorten(name)} here: give the images, --max-images "
                "and --seed of the run that was reviewed"
            )
        if len(rows) > 1:
            raise InputError(
                f"{where}: {len(rows)} images are called {_shorten(name)}: give each a name of its "
                "own, or leave the row out"
            )
        return rows[0]

    def _class_number(self, name: str, where: str) -> int:
        numbers = self.class_numbers.get(name, ())
        if not numbers:
            raise unknown_name("class", name[:80], self.class_numbers, where)
        if len(numbers) > 1:
            raise InputError(
                f"{where}: {len(numbers)} classes are called {_shorten(name)}: rename them"
            )
        return numbers[0]


def _positions(names: Sequence[str], wanted: set[str]) -> dict[str, list[int]]:
    """Return the positions of each wanted name among `names`."""
    positions: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        if name in wanted:
            positions.setdefault(name, []).append(position)
    return positions


def _shorten(name: str) -> str:
    return repr(name[:80])

"""`review.csv`, in which a person says what is to be done with suspects."""

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
    """The decisions in a `review.csv` about these images.

    Other columns than `COLUMNS` are not looked at, and the rows may be in any order.

    Raises:
        InputError: a file that cannot be read, or a row that does not go with the images: an image
            that they lack, hold twice or call by another label; one that was decided on before; an
            unknown class or decision; a label that is not what the decision says.
    """
    rows = read_csv(Path(path), COLUMNS)
    names = [images.name_of(row) for row in range(len(images))]
    classes = images.class_names or tuple(map(str, range(images.class_count)))
    found = decisions_in(rows, str(path), names, images.labels.tolist(), classes)
    decisions, labels = zip(*found.values(), strict=True) if found else ((), ())
    return Review(
        *(torch.tensor(list(each), dtype=torch.long) for each in (found, decisions, labels))
    )


def decisions_in(
    rows: Sequence[Mapping[str, str]],
    path: str,
    names: Sequence[str],
    labels: Sequence[int],
    classes: Sequence[str],
) -> dict[int, tuple[int, int]]:
    """A `Decision` and a label by place of the image, in the order of the rows.

    Args:
        rows: of a `review.csv`, which is at `path`.
        names, labels: of each image.
        classes: a name each.
    Raises:
        InputError: see `read_review`.
    """
    places = _numbered(names, {row["image"] for row in rows})
    reader = _Reader(places, _numbered(classes, set(classes)), labels)
    found: dict[int, tuple[int, int]] = {}
    for number, row in enumerate(rows, 1):
        where = f"row {number} of {path}"
        index, decision, label = reader.read(row, where)
        if index in found:
            raise InputError(
                f"{where} decides on {_cut(row['image'])} for the second time: leave one of the "
                "rows out"
            )
        found[index] = decision, label
    return found


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads rows. `places`: of the images by name; `classes`: numbers by name."""

    places: Mapping[str, Sequence[int]]
    classes: Mapping[str, Sequence[int]]
    labels: Sequence[int]

    def read(self, row: Mapping[str, str], where: str) -> tuple[int, int, int]:
        """Row of the image, decision and label."""
        index = self._image(row["image"], where)
        if row["decision"] not in DECISIONS:
            raise unknown_name("decision", row["decision"][:80], DECISIONS, where)
        decision = DECISIONS[row["decision"]]
        given, label = (self._class(row[name], where) for name in ("given_label", "label"))
        if given != self.labels[index]:
            raise InputError(
                f"{where}: {_cut(row['image'])} is not labeled {_cut(row['given_label'])} here: "
                "give the review of these images"
            )
        meant = {Decision.REJECT: "given_label", Decision.ACCEPT: "restored_label"}.get(decision)
        if meant and row["label"] != row[meant]:
            raise InputError(
                f"{where}: {row['decision']} goes with the {meant}, {_cut(row[meant])}, but the "
                f"label is {_cut(row['label'])}: make it that, or the decision relabel"
            )
        return index, int(decision), label

    def _image(self, name: str, where: str) -> int:
        places = self.places.get(name, ())
        if not places:
            raise InputError(
                f"{where}: there is no image {_cut(name)} here: give the images, --max-images and "
                "--seed of the run that was reviewed"
            )
        if len(places) > 1:
            raise InputError(
                f"{where}: {len(places)} images are called {_cut(name)}: give each a name of its "
                "own, or leave the row out"
            )
        return places[0]

    def _class(self, name: str, where: str) -> int:
        labels = self.classes.get(name, ())
        if not labels:
            raise unknown_name("class", name[:80], self.classes, where)
        if len(labels) > 1:
            raise InputError(f"{where}: {len(labels)} classes are called {_cut(name)}: rename them")
        return labels[0]


def _numbered(names: Sequence[str], wanted: set[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        if name in wanted:
            found.setdefault(name, []).append(number)
    return found


def _cut(name: str) -> str:
    return repr(name[:80])

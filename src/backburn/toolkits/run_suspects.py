"""The suspects of a finished run, and the data set without their poison."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from ..data.csv_cells import read_csv
from ..data.encoded import EncodedRow
from ..errors import InputError
from ..runs import path_in_run

SUSPECTS = "suspects.csv"
COLUMNS = ("image", "given_label", "restored_label", "confidence", "score", "distance")
SuspectAction: TypeAlias = Literal["drop", "relabel"]


@dataclass(frozen=True, slots=True)
class SuspectRow:
    """A line of `suspects.csv`. Labels are names of classes, or numbers if these have no names."""

    image: str
    given_label: str
    restored_label: str
    confidence: float

    @property
    def keeps_label(self) -> bool:
        """Whether this is clean-label poison: it has the trigger, but its label is right."""
        return self.given_label == self.restored_label


def read_suspects(run: Path) -> dict[str, SuspectRow]:
    """Read the suspects of a run, by image.

    Raises:
        InputError: the folder is no run of audit or repair, or its table is damaged.
    """
    if not path_in_run(run, SUSPECTS).is_file():
        raise InputError(f"{run} has no {SUSPECTS}: give a run of audit or repair")
    rows = read_csv(run / SUSPECTS, COLUMNS)
    try:
        suspects = [
            SuspectRow(
                row["image"], row["given_label"], row["restored_label"], float(row["confidence"])
            )
            for row in rows
        ]
    except ValueError:
        raise InputError(f"{run / SUSPECTS} has a confidence that is no number") from None
    return {suspect.image: suspect for suspect in suspects}


def without_poison(
    rows: Iterable[EncodedRow],
    suspects: dict[str, SuspectRow],
    class_names: tuple[str, ...],
    action: SuspectAction,
    tally: Counter[str],
) -> Iterator[EncodedRow]:
    """Drop or relabel the suspects among the rows of a data set.

    A suspect whose restored label is its own is always dropped. It has the trigger and the
    attacker's label, so it would plant the backdoor again.

    Args:
        rows: the data set.
        suspects: the suspects by image.
        class_names: names of the classes; empty if labels are numbers.
        action: `drop` or `relabel`; the latter gives suspects their restored labels.
        tally: counts how many rows are `kept`, `dropped` and `relabeled`.
    Yields:
        The remaining rows, in order.
    Raises:
        InputError: a suspect is missing, there twice, or has another label now.
    """
    numbers = {name: label for label, name in enumerate(class_names)}
    seen: set[str] = set()
    for row in rows:
        suspect = suspects.get(row.name)
        if suspect is None:
            tally["kept"] += 1
            yield row
            continue
        label, restored = (
            _class_number(name, numbers) for name in (suspect.given_label, suspect.restored_label)
        )
        if row.name in seen or label != row.label:
            raise _changed_error(row.name)
        seen.add(row.name)
        if action == "drop" or suspect.keeps_label:
            tally["dropped"] += 1
        else:
            tally["relabeled"] += 1
            yield replace(row, label=restored, file=_relabeled_file(row))
    for name in suspects.keys() - seen:
        raise _changed_error(name)


def _relabeled_file(row: EncodedRow) -> str | None:
    """The file name with the row number: the other class may have a file of this name."""
    if row.file is None:
        return None
    file = Path(row.file)
    return str(file.with_name(f"{file.stem}-{row.number}{file.suffix}"))


def _class_number(name: str, numbers: dict[str, int]) -> int:
    if numbers:
        number = numbers.get(name)
    else:
        number = int(name) if name.isascii() and name.isdecimal() else None
    if number is None:
        raise InputError(f"the data have no class {name!r}: give the images that the run looked at")
    return number


def _changed_error(name: str) -> InputError:
    return InputError(
        f"the data do not hold {name!r} once and with its label of then: give the images that the "
        "run looked at, unchanged"
    )

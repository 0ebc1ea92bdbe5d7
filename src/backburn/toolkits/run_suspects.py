"""The suspects of a finished run, and the data set without their poison."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from ..data.csv_cells import read_csv
from ..data.encoded import EncodedRow
from ..errors import InputError
from ..runs import own

SUSPECTS = "suspects.csv"
COLUMNS = ("image", "given_label", "restored_label", "confidence", "score", "distance")
Cure: TypeAlias = Literal["drop", "relabel"]


@dataclass(frozen=True, slots=True)
class SuspectRow:
    """A line of `suspects.csv`: file or row, names or numbers of the classes, confidence."""

    image: str
    given_label: str
    restored_label: str
    confidence: float

    @property
    def keeps_its_label(self) -> bool:
        """Clean-label poison: rightly labeled, and still carrying the trigger."""
        return self.given_label == self.restored_label


def read_suspects(run: Path) -> dict[str, SuspectRow]:
    """The suspects of a run by image.

    Raises:
        InputError: no audit or repair there, or a table that is damaged.
    """
    if not own(run, SUSPECTS).is_file():
        raise InputError(f"{run} has no {SUSPECTS}: give a run of audit or repair")
    rows = read_csv(run / SUSPECTS, COLUMNS)
    try:
        found = [
            SuspectRow(
                row["image"], row["given_label"], row["restored_label"], float(row["confidence"])
            )
            for row in rows
        ]
    except ValueError:
        raise InputError(f"{run / SUSPECTS} has a confidence that is no number") from None
    return {suspect.image: suspect for suspect in found}


def cleansed(
    rows: Iterable[EncodedRow],
    suspects: dict[str, SuspectRow],
    class_names: tuple[str, ...],
    cure: Cure,
    tally: Counter[str],
) -> Iterator[EncodedRow]:
    """The rows without poison, in order.

    Suspects are dropped, or with the cure `relabel` get their restored labels. Those whose restored
    label is the given one are dropped either way: with the trigger and the attacker's label on
    them, they would plant the backdoor again.

    Args:
        tally: counts what is `kept`, `dropped` and `relabeled`.
    Raises:
        InputError: a suspect that the rows lack, hold twice or call by another label.
    """
    numbers = {name: label for label, name in enumerate(class_names)}
    met: set[str] = set()
    for row in rows:
        suspect = suspects.get(row.name)
        if suspect is None:
            tally["kept"] += 1
            yield row
            continue
        given, restored = (
            _number(name, numbers) for name in (suspect.given_label, suspect.restored_label)
        )
        if row.name in met or given != row.label:
            raise _changed(row.name)
        met.add(row.name)
        if cure == "drop" or suspect.keeps_its_label:
            tally["dropped"] += 1
        else:
            tally["relabeled"] += 1
            yield replace(row, label=restored, file=_renamed(row))
    for name in suspects.keys() - met:
        raise _changed(name)


def _renamed(row: EncodedRow) -> str | None:
    """A file that changes its class goes by its row, too: the class may have one of its name."""
    if row.file is None:
        return None
    file = Path(row.file)
    return str(file.with_name(f"{file.stem}-{row.number}{file.suffix}"))


def _number(name: str, numbers: dict[str, int]) -> int:
    if numbers:
        found = numbers.get(name)
    else:
        found = int(name) if name.isascii() and name.isdecimal() else None
    if found is None:
        raise InputError(f"the data have no class {name!r}: give the images that the run looked at")
    return found


def _changed(name: str) -> InputError:
    return InputError(
        f"the data do not hold {name!r} once and with its label of then: give the images that the "
        "run looked at, unchanged"
    )

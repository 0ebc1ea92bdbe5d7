"""Decisions of people who may have several tabs open, in a file that is whole at every moment."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..data.csv_cells import csv_bytes, head_of, read_csv
from ..data.review import Decision
from ..data.review_file import COLUMNS, decisions_in
from ..errors import InputError
from ..report.gallery import Gallery
from ..runs import claimed, write_whole

Decided = tuple[int, int]
"""A `Decision` and a class."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """The review at `path` is written by nobody else who asks here.

    Raises:
        InputError: another server has it, or its folder cannot be written to.
    """
    if not path.parent.is_dir():  # or else the lock would make it
        raise InputError(f"{path.parent} is no folder: give another --review")
    with claimed(path.with_name(f".{path.name}.lock"), str(path)):
        yield


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the file holds.

    `decided` and `lines` are by place of the suspect, `others` the rows about other images;
    `stamp` is of the file as it was when this was true of it.
    """

    decided: dict[int, Decided]
    lines: dict[int, bytes]
    others: bytes
    stamp: tuple[int, ...] | None


class Book:
    """What was decided about the suspects of a gallery; every change is in the file at once.

    The file is not written over where another program has changed it since: it is read again, and
    whoever was deciding is told. Rows about images that are no suspects stay as they are.

    Raises:
        InputError: the file cannot be read, is no review of these suspects, or has columns that
            would be lost.
    """

    def __init__(self, path: Path, gallery: Gallery):
        self.path = path
        self._suspects, self._classes = gallery.suspects, gallery.classes
        self._names = [each.image for each in self._suspects]
        self._given = [each.given for each in self._suspects]
        self._lock = threading.Lock()
        self._kept = self._read()

    @property
    def decided(self) -> dict[int, Decided]:
        """What was decided, by place of the suspect in the gallery."""
        with self._lock:
            return dict(self._kept.decided)

    def counts(self) -> dict[str, int]:
        """How many were accepted, rejected and relabeled."""
        tally = Counter(decision for decision, _ in self.decided.values())
        return {each.name.lower(): tally[each] for each in Decision}

    def decide(self, place: int, wanted: Decided | None, before: Decided | None) -> None:
        """Write down a decision, or that there is none any more.

        Args:
            place: of the suspect in the gallery.
            before: what the person saw, who must not undo unawares what was decided elsewhere.
        Raises:
            InputError: nothing was changed: the suspect or the file is not as it was seen, the
                decision cannot be written, or is none.
        """
        with self._lock:
            if self._stamp() != self._kept.stamp:
                self._kept = self._read()
                raise InputError(
                    f"{self.path.name} was changed by another program, and has been read again: "
                    "look, and decide again"
                )
            if self._kept.decided.get(place) != before:
                raise InputError(
                    f"{self._names[place][:80]} was decided on in another tab: look, and decide "
                    "again"
                )
            lines, decided = dict(self._kept.lines), dict(self._kept.decided)
            lines.pop(place, None)
            decided.pop(place, None)
            if wanted is not None:
                lines[place], decided[place] = self._line(place, wanted), wanted
            rows = b"".join(lines[k] for k in sorted(lines))
            write_whole(self.path, csv_bytes(COLUMNS, ()) + rows + self._kept.others)
            self._kept = _Kept(decided, lines, self._kept.others, self._stamp())

    def _line(self, place: int, wanted: Decided) -> bytes:
        suspect, (decision, label) = self._suspects[place], wanted
        row = {
            "image": suspect.image,
            "given_label": self._classes[suspect.given],
            "restored_label": self._classes[suspect.restored],
            "decision": Decision(decision).name.lower(),
            "label": self._classes[label],
        }
        # what would be refused when it is read is not written
        decisions_in([row], self.path.name, self._names, self._given, self._classes)
        return _rows([row])

    def _read(self) -> "_Kept":
        stamp, rows = self._stamp(), list[dict[str, str]]()
        if stamp is not None:
            if more := [name for name in head_of(self.path) if name not in COLUMNS]:
                raise InputError(
                    f"{self.path} has the column {more[0][:80]!r}, which would be lost: give "
                    "another --review"
                )
            rows = read_csv(self.path, COLUMNS)
        names = set(self._names)
        ours = [row for row in rows if row["image"] in names]
        found = decisions_in(ours, str(self.path), self._names, self._given, self._classes)
        others = _rows([row for row in rows if row["image"] not in names])
        lines = {place: _rows([row]) for place, row in zip(found, ours, strict=True)}
        return _Kept(found, lines, others, stamp)

    def _stamp(self) -> tuple[int, ...] | None:
        """Another one whenever the file is another; None where there is none."""
        try:
            found = os.stat(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from error
        return found.st_ino, found.st_size, found.st_mtime_ns


def _rows(rows: list[dict[str, str]]) -> bytes:
    """The rows as CSV, without the head."""
    return csv_bytes(COLUMNS, rows).split(b"\n", 1)[1]

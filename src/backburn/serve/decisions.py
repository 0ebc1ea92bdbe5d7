"""Review decisions, kept in a CSV file that is complete after every change."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..data.csv_cells import csv_bytes, read_column_names, read_csv
from ..data.review import Decision
from ..data.review_file import COLUMNS, parse_decisions
from ..errors import InputError
from ..report.gallery import Gallery
from ..runs import locked, write_atomic

LabelDecision = tuple[int, int]
"""A `Decision` and a class number."""


@contextmanager
def lock_review(path: Path) -> Iterator[None]:
    """Hold the lock of a review file, so that no second server writes it.

    Raises:
        InputError: another server holds the lock, or the folder can't be written to.
    """
    if not path.parent.is_dir():  # or else the lock would create it
        raise InputError(f"{path.parent} is no folder: give another --review")
    with locked(path.with_name(f".{path.name}.lock"), str(path)):
        yield


@dataclass(frozen=True, slots=True)
class _FileState:
    """Content of the review file.

    Args:
        decided: decisions by index of the suspect in the gallery.
        lines: the same as CSV lines.
        other_rows: CSV lines about images that aren't suspects.
        stamp: identifies the version of the file with this content; None if there was no file.
    """

    decided: dict[int, LabelDecision]
    lines: dict[int, bytes]
    other_rows: bytes
    stamp: tuple[int, ...] | None


class Decisions:
    """Decisions about the suspects of a gallery. Every change is written to the file at once.

    Several browser tabs and threads may decide at the same time. If another program has changed
    the file, it is read again instead of overwritten, and the pending decision is refused. Rows
    about images that aren't suspects are preserved.

    Args:
        path: the review file; it need not exist yet.
        gallery: the suspects.
    Raises:
        InputError: the file can't be read, isn't a review of these suspects, or has further
            columns, which would be lost.
    """

    def __init__(self, path: Path, gallery: Gallery):
        self.path = path
        self._suspects, self._classes = gallery.suspects, gallery.classes
        self._names = [suspect.image for suspect in self._suspects]
        self._given_labels = [suspect.given for suspect in self._suspects]
        self._lock = threading.Lock()
        self._state = self._read()

    @property
    def decided(self) -> dict[int, LabelDecision]:
        """All decisions, by index of the suspect in the gallery."""
        with self._lock:
            return dict(self._state.decided)

    def counts(self) -> dict[str, int]:
        """Return how many suspects were accepted, rejected and relabeled."""
        tally = Counter(decision for decision, _ in self.decided.values())
        return {decision.name.lower(): tally[decision] for decision in Decision}

    def decide(
        self, index: int, decision: LabelDecision | None, before: LabelDecision | None
    ) -> None:
        """Record a decision, or remove it.

        Args:
            index: of the suspect in the gallery.
            decision: the new decision; None removes it.
            before: the decision that the person saw. If it is outdated nothing is changed, so that
                nobody overwrites unknowingly what was decided in another tab.
        Raises:
            InputError: the suspect or the file has changed since, or the decision isn't valid or
                can't be written. Nothing was changed.
        """
        with self._lock:
            if self._stamp() != self._state.stamp:
                self._state = self._read()
                raise InputError(
                    f"{self.path.name} was changed by another program, and has been read again: "
                    "look, and decide again"
                )
            if self._state.decided.get(index) != before:
                raise InputError(
                    f"{self._names[index][:80]} was decided on in another tab: look, and decide "
                    "again"
                )
            lines, decided = dict(self._state.lines), dict(self._state.decided)
            lines.pop(index, None)
            decided.pop(index, None)
            if decision is not None:
                lines[index], decided[index] = self._line(index, decision), decision
            rows = b"".join(lines[k] for k in sorted(lines))
            write_atomic(self.path, csv_bytes(COLUMNS, ()) + rows + self._state.other_rows)
            self._state = _FileState(decided, lines, self._state.other_rows, self._stamp())

    def _line(self, index: int, decision: LabelDecision) -> bytes:
        suspect, (kind, label) = self._suspects[index], decision
        row = {
            "image": suspect.image,
            "given_label": self._classes[suspect.given],
            "restored_label": self._classes[suspect.restored],
            "decision": Decision(kind).name.lower(),
            "label": self._classes[label],
        }
        # refuse here what would be refused when the file is read
        parse_decisions([row], self.path.name, self._names, self._given_labels, self._classes)
        return _csv_lines([row])

    def _read(self) -> _FileState:
        stamp, rows = self._stamp(), list[dict[str, str]]()
        if stamp is not None:
            if extra := [name for name in read_column_names(self.path) if name not in COLUMNS]:
                raise InputError(
                    f"{self.path} has the column {extra[0][:80]!r}, which would be lost: give "
                    "another --review"
                )
            rows = read_csv(self.path, COLUMNS)
        names = set(self._names)
        suspect_rows = [row for row in rows if row["image"] in names]
        decided = parse_decisions(
            suspect_rows, str(self.path), self._names, self._given_labels, self._classes
        )
        other_rows = _csv_lines([row for row in rows if row["image"] not in names])
        lines = {k: _csv_lines([row]) for k, row in zip(decided, suspect_rows, strict=True)}
        return _FileState(decided, lines, other_rows, stamp)

    def _stamp(self) -> tuple[int, ...] | None:
        """Return a stamp that differs between versions of the file, None without a file."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from error
        return status.st_ino, status.st_size, status.st_mtime_ns


def _csv_lines(rows: list[dict[str, str]]) -> bytes:
    """Format the rows as CSV without a header."""
    return csv_bytes(COLUMNS, rows).split(b"\n", 1)[1]

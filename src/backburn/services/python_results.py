"""What Python is given: a result that can be printed, saved, and turned into a clean data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from ..fit import Fit
from ..report.phrases import NO_POISON, p_words, per_cent
from ..runs import plan_run
from ..types import Audit, Progress, Unlearned
from .clean_dataset import Cleansed, cleansed_like
from .progress import shown
from .python_data import GivenImages
from .result_tables import class_name
from .write_run import Outcome, add_pictures, write_outcome

SHARED = ("suspects", "evidence", "verdict", "boundary", "statistics", "second_opinion")
SHOWN_CLASSES = 5
"""Target classes that are named; of more it is said how many."""


class _Result:
    """What an audit and a repair have in common; `_outcome` and `_given` are set by both."""

    __slots__ = ()
    _outcome: Outcome
    _given: GivenImages

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines about how model and images were understood."""
        return self._outcome.notes

    @property
    def fit(self) -> Fit | None:
        """How well the model knows the images, which takes to be called clean."""
        return self._outcome.opened.fit

    def save(self, folder: str | Path, *, progress: Progress | bool | None = None) -> Path:
        """Write a run directory, as the command does: for `backburn report` and `load_run`.

        Args:
            folder: new or empty.
            progress: see `backburn.audit`.
        Returns:
            The folder.
        Raises:
            InputError: a folder that is in use or cannot be written.
        """
        path = plan_run(folder, self._outcome.command, "folder")
        record = write_outcome(path, self._outcome)
        with shown(progress) as (told, _):
            add_pictures(path, record, self._outcome, told)
        return path

    def clean_dataset(self, suspects: Literal["drop", "relabel"] = "drop") -> Any:
        """The training data without the poison, of the same kind as they were given.

        Arrays come back as a pair; a data set, Hugging Face's too, as one with its own transforms;
        a path, or what `load_images` returned, as `LabeledImages`.

        Args:
            suspects: `drop` leaves suspects out; `relabel` keeps them under their restored labels.
                Suspects that are rightly labeled (clean-label poison) are left out either way.
        """
        found = self.suspects  # type: ignore[attr-defined]
        rows, labels = _kept(self._given, found, suspects == "relabel")
        return cleansed_like(Cleansed(self._given.images, self._given.given, rows, labels))

    def __str__(self) -> str:
        return "\n".join(summary_lines(self._outcome))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult(_Result, Audit):
    """What `backburn.audit` finds: verdict, suspects, evidence, boundary."""

    _outcome: Outcome = field(repr=False)
    _given: GivenImages = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairResult(_Result, Unlearned):
    """What `backburn.repair` returns: as an audit, and the repaired `model` and its `history`."""

    _outcome: Outcome = field(repr=False)
    _given: GivenImages = field(repr=False)


def summary_lines(outcome: Outcome) -> tuple[str, ...]:
    """The result in five lines: verdict, why, suspects, model, what to do next."""
    verdict, images = outcome.result.verdict, outcome.opened.case.images
    targets = [class_name(images, label) for label in verdict.target_labels]
    few = ", ".join(targets[:SHOWN_CLASSES])
    more = f" and {len(targets) - SHOWN_CLASSES} more" if len(targets) > SHOWN_CLASSES else ""
    target = f", target {'class' if len(targets) == 1 else 'classes'} {few}{more}" * bool(targets)
    suspects, count = outcome.result.suspects, len(images)
    changed = int((suspects.restored_label != suspects.given_label).sum())
    share = per_cent(len(suspects) / count)
    return (
        f"{verdict.state.upper()}{target}{p_words(verdict.p_value)}",
        f"why:      {_why(outcome)}",
        f"suspects: {len(suspects)} of {count} images ({share}), {changed} with another label",
        f"model:    {_model_line(outcome)}",
        f"next:     {_next(outcome)}",
    )


def _why(outcome: Outcome) -> str:
    if reason := outcome.result.verdict.reason:
        return reason
    state = outcome.result.verdict.state
    said = {
        "backdoored": "part of a target class is planted: its images share what makes others alike",
        "suspicious": "the evidence is too weak to accuse single images",
    }
    return said.get(state, f"{NO_POISON}: none of its classes holds any that behave as planted")


def _model_line(outcome: Outcome) -> str:
    result = outcome.result
    if not isinstance(result, Unlearned):
        return "left as it was; backburn.repair returns a repaired copy"
    if not len(result.suspects):
        return "the one that was given, as nothing was flagged"
    spent = sum(phase.seconds for phase in result.history)
    return f"a repaired copy in result.model ({spent:.0f} s)"


def _next(outcome: Outcome) -> str:
    if outcome.result.verdict.state == "backdoored" and not isinstance(outcome.result, Unlearned):
        return "result.save('run'), then backburn report run; or backburn.repair(...)"
    return "result.save('run'), then backburn report run"


def _kept(given: GivenImages, suspects: Any, relabel: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that stay, and their labels."""
    labels = given.images.labels.cpu().clone()
    keeps = torch.ones(len(labels), dtype=torch.bool)
    restored = given.own_labels(suspects.restored_label)
    changed = (suspects.restored_label != suspects.given_label) & (restored >= 0)
    keeps[suspects.index] = changed & relabel
    labels[suspects.index] = restored
    rows = keeps.nonzero().flatten()
    return rows, labels[rows]


def of_result(result: Any, outcome: Outcome, given: GivenImages) -> Any:
    """A result with what it was made of: an `AuditResult` or a `RepairResult`."""
    parts = {name: getattr(result, name) for name in SHARED}
    if isinstance(result, Unlearned):
        more: Mapping[str, Any] = {"model": result.model, "history": result.history}
        return RepairResult(**parts, **more, _outcome=outcome, _given=given)
    return AuditResult(**parts, _outcome=outcome, _given=given)

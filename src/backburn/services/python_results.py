"""Results for Python callers: to print, to save, and to turn into a clean data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from ..fit import FitResult
from ..report.phrases import NO_POISON, format_p_value, format_percent
from ..results import Audit, Suspects, Unlearned
from ..runs import plan_run
from ..types import Progress
from .progress_displays import show_progress
from .python_clean_data import CleanRows, clean_dataset_like
from .python_data import UserImages
from .result_tables import class_name
from .write_run import Outcome, add_pictures, write_outcome

SHARED_FIELDS = ("suspects", "evidence", "verdict", "boundary", "statistics", "second_opinion")
MAX_CLASSES_SHOWN = 5
"""Number of target classes that are named in a summary; further ones are counted."""


class _Result:
    """What the results of an audit and of a repair have in common."""

    __slots__ = ()
    _outcome: Outcome
    _data: UserImages

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines about how the model and the images were interpreted."""
        return self._outcome.notes

    @property
    def fit(self) -> FitResult | None:
        """How well the model predicts the labels of its images."""
        return self._outcome.opened.fit

    def save(self, folder: str | Path, *, progress: Progress | bool | None = None) -> Path:
        """Write a run directory, as the commands do, for `backburn report` and `load_run`.

        Args:
            folder: new or empty.
            progress: see `backburn.audit`.
        Returns:
            The folder.
        Raises:
            InputError: the folder is not empty, or cannot be written.
        """
        path = plan_run(folder, self._outcome.command, "folder")
        record = write_outcome(path, self._outcome)
        with show_progress(progress) as (callback, _):
            add_pictures(path, record, self._outcome, callback)
        return path

    def clean_dataset(self, suspects: Literal["drop", "relabel"] = "drop") -> Any:
        """The training data without the poison, as the same kind of object that was passed.

        Arrays give a pair of arrays. A data set gives one with the same transforms. A path or
        `LabeledImages` gives `LabeledImages`.

        Args:
            suspects: `drop` leaves suspects out; `relabel` keeps them with their restored labels.
                Correctly labeled suspects (clean-label poison) are left out either way.
        """
        own_suspects = self.suspects  # type: ignore[attr-defined]
        rows, labels = _rows_to_keep(self._data, own_suspects, suspects == "relabel")
        return clean_dataset_like(CleanRows(self._data.images, self._data.source, rows, labels))

    def __str__(self) -> str:
        return "\n".join(summary_lines(self._outcome))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditResult(_Result, Audit):
    """The result of `backburn.audit`: verdict, suspects, evidence, boundary."""

    _outcome: Outcome = field(repr=False)
    _data: UserImages = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairResult(_Result, Unlearned):
    """The result of `backburn.repair`: that of an audit, the repaired `model`, its `history`."""

    _outcome: Outcome = field(repr=False)
    _data: UserImages = field(repr=False)


def summary_lines(outcome: Outcome) -> tuple[str, ...]:
    """The result in five lines: verdict, reason, suspects, model, next step."""
    verdict, images = outcome.result.verdict, outcome.opened.case.images
    targets = [class_name(images, label) for label in verdict.target_labels]
    named = ", ".join(targets[:MAX_CLASSES_SHOWN])
    more = (
        f" and {len(targets) - MAX_CLASSES_SHOWN} more" if len(targets) > MAX_CLASSES_SHOWN else ""
    )
    target = f", target {'class' if len(targets) == 1 else 'classes'} {named}{more}" * bool(targets)
    suspects, count = outcome.result.suspects, len(images)
    changed = int((suspects.restored_label != suspects.given_label).sum())
    share = format_percent(len(suspects) / count)
    return (
        f"{verdict.state.upper()}{target}{format_p_value(verdict.p_value)}",
        f"why:      {_reason(outcome)}",
        f"suspects: {len(suspects)} of {count} images ({share}), {changed} with another label",
        f"model:    {_model_line(outcome)}",
        f"next:     {_next_step(outcome)}",
    )


def _reason(outcome: Outcome) -> str:
    if reason := outcome.result.verdict.reason:
        return reason
    state = outcome.result.verdict.state
    reasons = {
        "backdoored": "some images of a target class share something that the model takes for the "
        "class; nothing says that somebody put it there",
        "suspicious": "the evidence is too weak to accuse single images",
    }
    least = outcome.result.verdict.smallest_group
    few = f"; fewer than {least} poisoned images of a class would not be seen" if least else ""
    return reasons.get(state, f"{NO_POISON}{few}")


def _model_line(outcome: Outcome) -> str:
    result = outcome.result
    if not isinstance(result, Unlearned):
        return "left as it was; backburn.repair returns a repaired copy"
    if not len(result.suspects):
        return "the one that was given, as nothing was flagged"
    seconds = sum(phase.seconds for phase in result.history)
    return f"a repaired copy in result.model ({seconds:.0f} s)"


def _next_step(outcome: Outcome) -> str:
    if outcome.result.verdict.state == "backdoored" and not isinstance(outcome.result, Unlearned):
        return "result.save('run'), then backburn report run; or backburn.repair(...)"
    return "result.save('run'), then backburn report run"


def _rows_to_keep(
    data: UserImages, suspects: Suspects, relabel: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that stay in a clean data set, and their labels."""
    labels = data.images.labels.cpu().clone()
    kept = torch.ones(len(labels), dtype=torch.bool)
    restored = data.user_labels(suspects.restored_label)
    changed = (suspects.restored_label != suspects.given_label) & (restored >= 0)
    kept[suspects.index] = changed & relabel
    labels[suspects.index] = restored
    rows = kept.nonzero().flatten()
    return rows, labels[rows]


def public_result(result: Any, outcome: Outcome, data: UserImages) -> Any:
    """The `AuditResult` or `RepairResult` of a result.

    Args:
        result: an `Audit` or an `Unlearned`, with rows and model as the caller has them.
        outcome: that `save` writes.
        data: the images as the caller passed them.
    """
    parts = {name: getattr(result, name) for name in SHARED_FIELDS}
    if isinstance(result, Unlearned):
        more: Mapping[str, Any] = {"model": result.model, "history": result.history}
        return RepairResult(**parts, **more, _outcome=outcome, _data=data)
    return AuditResult(**parts, _outcome=outcome, _data=data)

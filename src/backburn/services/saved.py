"""A run that was written, read back."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from ..markup import Facts, Shown
from ..models.loading import load_model
from ..report.gallery import Suspect
from ..report.gallery_files import read_gallery
from ..runs import Record, read_record
from ..types import Suspects, Verdict
from .export import model_of

COMMANDS = ("audit", "repair", "demo")


@dataclass(frozen=True)
class SavedRun(Shown):
    """A run of an audit, a repair or the demo.

    Args:
        path: its folder.
        record: what made it, and its figures.
        verdict: without what single classes showed, which is in `record.metrics["verdict"]`.
        suspects: by score, highest first.
        names: the file or row of each suspect.
        classes: the names of the classes.
    """

    path: Path
    record: Record
    verdict: Verdict
    suspects: Suspects
    names: tuple[str, ...]
    classes: tuple[str, ...]

    @cached_property
    def model(self) -> nn.Module:
        """The repaired model, on pixels in [0, 1].

        Raises:
            InputError: a run without one, or a network that its file does not name.
        """
        return load_model(model_of(self.path), self.record.arguments.get("arch"))

    def facts(self) -> Facts:
        """The verdict's, and the record's."""
        yield "run", str(self.path)
        yield from self.verdict.facts()
        yield "suspects", len(self.suspects)
        yield from self.record.facts()

    def __str__(self) -> str:
        verdict = self.verdict
        targets = ", ".join(str(self.classes[label]) for label in verdict.target_labels)
        chance = "" if verdict.p_value != verdict.p_value else f" (p = {verdict.p_value:.2g})"
        return "\n".join(
            (
                f"{verdict.state.upper()}{f', target {targets}' * bool(targets)}{chance}",
                f"run:      {self.path} ({self.record.command}, {self.record.created})",
                f"suspects: {len(self.suspects)}",
                f"model:    {self.record.arguments.get('model', 'unknown')}",
                f"next:     backburn report {self.path}",
            )
        )


def load_run(folder: str | Path) -> SavedRun:
    """Read what `backburn audit`, `repair` or `demo` wrote, or `result.save`.

    Raises:
        InputError: no such run there, or a damaged one.
    """
    path = Path(folder)
    record = read_record(path)
    if record.command not in COMMANDS:
        raise InputError(f"{path} is a run of {record.command}: give one of audit, repair or demo")
    gallery = read_gallery(path)
    verdict = _verdict(record.metrics.get("verdict"), path)
    names = tuple(each.image for each in gallery.suspects)
    return SavedRun(path, record, verdict, _suspects(gallery.suspects), names, gallery.classes)


def _verdict(told: Any, path: Path) -> Verdict:
    try:
        chance = told["p_value"]
        return Verdict(
            told["state"],
            tuple(map(int, told["target_labels"])),
            float("nan") if chance is None else float(chance),
            reason=str(told["reason"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the record of {path} has no verdict: make the run again") from error


def _suspects(found: tuple[Suspect, ...]) -> Suspects:
    def column(name: str, kind: torch.dtype) -> torch.Tensor:
        return torch.tensor([getattr(each, name) for each in found], dtype=kind)

    return Suspects(
        column("row", torch.int64),
        column("given", torch.int64),
        column("restored", torch.int64),
        column("confidence", torch.float32),
    )

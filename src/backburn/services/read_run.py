"""A run that was written, read back."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from ..data.csv_cells import read_csv
from ..errors import InputError
from ..html_tables import Facts, Shown
from ..models.open.load_model import load_model
from ..report.phrases import p_words
from ..runs import Record, own, read_record
from ..toolkits.run_suspects import COLUMNS, SUSPECTS
from ..types import Audit, Evidence, Suspects, Verdict
from .export import model_of
from .result_file import RESULT, read_result

COMMANDS = ("audit", "repair", "demo")


@dataclass(frozen=True)
class SavedRun(Shown):
    """A run of an audit, a repair or the demo.

    Args:
        path: its folder.
        record: what made it, and its figures.
        found: verdict (what single classes showed is in `record.metrics["verdict"]`), suspects by
            score, evidence and boundary.
        names: the file or row of each suspect.
    """

    path: Path
    record: Record
    found: Audit
    names: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict on the whole case."""
        return self.found.verdict

    @property
    def suspects(self) -> Suspects:
        """By score, highest first."""
        return self.found.suspects

    @property
    def evidence(self) -> Evidence:
        """A score for every image."""
        return self.found.evidence

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
        told = self.record.metrics["verdict"].get("target_names") or verdict.target_labels
        targets = ", ".join(map(str, told))
        chance = p_words(verdict.p_value)
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
    found = read_result(path, verdict_of(record, path))
    names = tuple(row["image"] for row in read_csv(own(path, SUSPECTS), COLUMNS))
    if len(names) != len(found.suspects):
        raise InputError(f"{path / SUSPECTS} and {RESULT} do not go together: make the run again")
    return SavedRun(path, record, found, names)


def verdict_of(record: Record, path: Path) -> Verdict:
    """The verdict in a record, without what single classes showed.

    Raises:
        InputError: there is none.
    """
    told: Any = record.metrics.get("verdict")
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

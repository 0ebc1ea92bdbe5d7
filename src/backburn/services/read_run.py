"""Reading a written run back into Python."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from ..data.csv_cells import read_csv
from ..errors import InputError
from ..html_tables import Facts, HtmlRecord
from ..models.open.open_model import load_model
from ..report.phrases import format_p_value
from ..results import Audit, Evidence, Suspects, Verdict
from ..runs import Record, path_in_run, read_record
from ..toolkits.run_suspects import COLUMNS, SUSPECTS
from .export import repaired_model_path
from .result_tensors import RESULT, read_result

COMMANDS = ("audit", "repair", "demo")


@dataclass(frozen=True)
class SavedRun(HtmlRecord):
    """A run of an audit, a repair or the demo.

    Args:
        path: of the run directory.
        record: what made the run, and its metrics.
        found: verdict, suspects by score, evidence and boundary. The evidence of single classes
            is in `record.metrics["verdict"]`.
        names: file name or row number of each suspect.
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
        """The suspects, highest score first."""
        return self.found.suspects

    @property
    def evidence(self) -> Evidence:
        """A score in [0, 1] for every image."""
        return self.found.evidence

    @cached_property
    def model(self) -> nn.Module:
        """The repaired model, on pixels in [0, 1].

        Raises:
            InputError: the run has no model, or its architecture is unknown.
        """
        return load_model(repaired_model_path(self.path), self.record.arguments.get("arch"))

    def facts(self) -> Facts:
        """Rows of the run's table: verdict, suspects, and record."""
        yield "run", str(self.path)
        yield from self.verdict.facts()
        yield "suspects", len(self.suspects)
        yield from self.record.facts()

    def __str__(self) -> str:
        verdict = self.verdict
        names = self.record.metrics["verdict"].get("target_names") or verdict.target_labels
        targets = ", ".join(map(str, names))
        p_value = format_p_value(verdict.p_value)
        return "\n".join(
            (
                f"{verdict.state.upper()}{f', target {targets}' * bool(targets)}{p_value}",
                f"run:      {self.path} ({self.record.command}, {self.record.created})",
                f"suspects: {len(self.suspects)}",
                f"model:    {self.record.arguments.get('model', 'unknown')}",
                f"next:     backburn report {self.path}",
            )
        )


def load_run(folder: str | Path) -> SavedRun:
    """Read a run that `backburn audit`, `repair`, `demo` or `result.save` wrote.

    Raises:
        InputError: the folder is no such run, or is damaged.
    """
    path = Path(folder)
    record = read_record(path)
    if record.command not in COMMANDS:
        raise InputError(f"{path} is a run of {record.command}: give one of audit, repair or demo")
    audit = read_result(path, verdict_from_record(record, path))
    names = tuple(row["image"] for row in read_csv(path_in_run(path, SUSPECTS), COLUMNS))
    if len(names) != len(audit.suspects):
        raise InputError(f"{path / SUSPECTS} and {RESULT} do not go together: make the run again")
    return SavedRun(path, record, audit, names)


def verdict_from_record(record: Record, path: Path) -> Verdict:
    """The verdict in a record, without the evidence of single classes.

    Raises:
        InputError: the record has no valid verdict.
    """
    summary: Any = record.metrics.get("verdict")
    try:
        p_value, least = summary["p_value"], summary.get("smallest_group")
        return Verdict(
            summary["state"],
            tuple(map(int, summary["target_labels"])),
            float("nan") if p_value is None else float(p_value),
            reason=str(summary["reason"]),
            smallest_group=None if least is None else int(least),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the record of {path} has no verdict: make the run again") from error

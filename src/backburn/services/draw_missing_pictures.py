"""Drawing the pictures of a run that was stopped before they were drawn."""

from dataclasses import replace
from pathlib import Path

from ..config import configure
from ..errors import InputError
from ..fit.find_reading import wrap_for_reading
from ..models.inference import best_device
from ..models.open.open_model import open_model
from ..results import Unlearned
from ..runs import Record, path_in_run, read_record
from .case_options import CaseOptions
from .export import repaired_model_path
from .open_case import open_case
from .progress_displays import ProgressDisplay
from .read_run import verdict_from_record
from .repair_options import RepairOptions, recorded_method, resolve_options
from .result_tensors import RESULT, read_result
from .write_run import Outcome, add_pictures, has_pictures

COMMANDS_WITH_PICTURES = ("audit", "repair")
"""Commands whose pictures can be drawn after the run."""


def draw_missing_pictures(
    run: Path, progress: ProgressDisplay, arch: str | None = None, trust: bool = False
) -> Record:
    """Open the case of a run again, draw the pictures of its report, and return its new record.

    A run that has its pictures, or can't have any, is left as it is.

    Args:
        arch: architecture of the model, if it is the user's own code.
        trust: open models that run code, too.
    Raises:
        InputError: the case cannot be opened, or has changed.
    """
    record = read_record(run)
    if (
        record.command not in COMMANDS_WITH_PICTURES
        or has_pictures(record)
        or not path_in_run(run, RESULT).is_file()
    ):
        return record
    audit = read_result(run, verdict_from_record(record, run))
    options = resolve_options(RepairOptions(CaseOptions(str(run), arch=arch, trust=trust)))
    opened = open_case(options.case, None, options.seed or 0, best_device("auto"), progress)
    if len(opened.case.images) != len(audit.evidence.score):
        raise InputError(
            f"{run} looked at {len(audit.evidence.score)} images, now there are "
            f"{len(opened.case.images)}: make the run again"
        )
    method = configure(recorded_method(options), options.config, ())
    outcome = Outcome(record.command, opened, method, record.seed, {}, audit, record.seconds)
    if record.command == "repair" and len(audit.suspects):
        model = wrap_for_reading(
            open_model(repaired_model_path(run), opened.arch, trust=trust), opened.reading
        )
        repaired = Unlearned(
            model=model,
            suspects=audit.suspects,
            evidence=audit.evidence,
            verdict=audit.verdict,
            boundary=audit.boundary,
        )
        outcome = replace(outcome, result=repaired)
    return add_pictures(run, record, outcome, progress)

"""Drawing what a report shows of a run that was stopped before its pictures were drawn."""

from pathlib import Path

from ..config import configure
from ..errors import InputError
from ..fit.find_reading import as_read
from ..models.inference import best_device
from ..models.open.open_model import open_model
from ..runs import Record, own, read_record
from ..types import Unlearned
from .case_options import Given
from .export import model_of
from .open_case import open_case
from .progress import ShowProgress
from .read_run import verdict_of
from .repair_run import Asked, again, method_of
from .result_file import RESULT, read_result
from .write_run import Outcome, add_pictures, has_pictures

DRAWN = ("audit", "repair")
"""Commands whose runs have pictures that can be drawn later."""


def complete(
    run: Path, progress: ShowProgress, arch: str | None = None, trust: bool = False
) -> Record:
    """Open what a run looked at, and draw what its report shows; the run's new record.

    A run that has its pictures, or of which nothing can be drawn, is left as it is.

    Args:
        arch: the network, where it is code of the user's own.
        trust: open a model that runs code, too.
    Raises:
        InputError: what it looked at cannot be opened, or is not what it was.
    """
    record = read_record(run)
    if record.command not in DRAWN or has_pictures(record) or not own(run, RESULT).is_file():
        return record
    found = read_result(run, verdict_of(record, run))
    asked = again(Asked(Given(str(run), arch=arch, trust=trust)))
    opened = open_case(asked.given, None, asked.seed or 0, best_device("auto"), progress)
    if len(opened.case.images) != len(found.evidence.score):
        raise InputError(
            f"{run} looked at {len(found.evidence.score)} images, now there are "
            f"{len(opened.case.images)}: make the run again"
        )
    method = configure(method_of(asked), asked.config, ())
    outcome = Outcome(record.command, opened, method, record.seed, {}, found, record.seconds)
    if record.command == "repair" and len(found.suspects):
        model = as_read(open_model(model_of(run), opened.arch, trust=trust), opened.reading)
        parts = {name: getattr(found, name) for name in ("suspects", "evidence", "verdict")}
        result = Unlearned(model=model, boundary=found.boundary, **parts)
        outcome = Outcome(record.command, opened, method, record.seed, {}, result, record.seconds)
    return add_pictures(run, record, outcome, progress)

"""Opening a run to be served."""

from pathlib import Path

from ..config import configure
from ..errors import InputError
from ..models.inference import best_device
from ..registry import method_named
from ..report.finished_run import Finished, open_finished
from ..runs import RECORD
from ..serve.thumbnails import Easel, Pencil
from ..services.audit_repair import fit_check_of
from ..services.case_options import Given
from ..services.open_case import open_case
from ..services.progress import ShowProgress
from ..services.repair_run import Asked, again


def open_served(run: Path) -> Finished:
    """The finished run.

    Raises:
        InputError: one that is still being written, or see `open_finished`.
    """
    final = run.resolve()
    beside = final.parent.iterdir() if final.parent.is_dir() else ()
    hidden = any(each.name.startswith(f".{final.name}-") for each in beside)
    if hidden and not (run / RECORD).is_file():
        raise InputError(
            f"{run} is still being written, or was stopped before it was whole: wait for its "
            "command, or give that again"
        )
    return open_finished(run)


def easel_of(finished: Finished, arch: str | None, trust: bool, draw: bool) -> Easel:
    """What the run has pictures of, and with `draw` a pencil for what it has none of.

    Raises:
        InputError: what the run looked at cannot be opened, or is not what it was.
    """
    if not draw:
        if arch is not None or trust:
            raise InputError("--arch and --trust go with --draw: add it, or leave them out")
        return Easel(finished.gallery)
    asked = again(Asked(Given(str(finished.run), arch=arch, trust=trust)))
    method = configure(method_named(asked.method or "default")(), asked.config, ())
    with ShowProgress(quiet=False) as progress:
        opened = open_case(
            asked.given, None, asked.seed or 0, best_device("auto"), progress, fit_check_of(method)
        )
    return Easel(finished.gallery, Pencil(opened.case, finished.gallery, method.search_budget))

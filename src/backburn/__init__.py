"""BURN: backdoor unlearning via adversarial boundary analysis.

>>> import backburn
>>> result = backburn.repair(model, images, labels)     # doctest: +SKIP
>>> result.verdict.state                                # doctest: +SKIP
'backdoored'
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import audit, repair
    from .burn.burn import BURN
    from .burn.paper import PaperBURN
    from .data.load_images import load_images
    from .data.review import Review
    from .data.review_file import read_review
    from .data.sources.python_dataset import from_dataset
    from .errors import BackburnError, InputError
    from .models.open.open_model import load_model
    from .report.notebook_figures import show
    from .results import Audit, Evidence, Repaired, Suspects, Unlearned, Verdict
    from .services.python_results import AuditResult, RepairResult
    from .services.read_run import SavedRun, load_run
    from .types import BoundaryResult, Case

__version__ = version("backburn")
__all__ = [
    "BURN",
    "Audit",
    "AuditResult",
    "BackburnError",
    "BoundaryResult",
    "Case",
    "Evidence",
    "InputError",
    "PaperBURN",
    "RepairResult",
    "Repaired",
    "Review",
    "SavedRun",
    "Suspects",
    "Unlearned",
    "Verdict",
    "audit",
    "from_dataset",
    "load_images",
    "load_model",
    "load_run",
    "read_review",
    "repair",
    "show",
]
_HOMES = {
    "BURN": "burn.burn",
    "PaperBURN": "burn.paper",
    "audit": "api",
    "repair": "api",
    "from_dataset": "data.sources.python_dataset",
    "load_images": "data.load_images",
    "Review": "data.review",
    "read_review": "data.review_file",
    "load_model": "models.open.open_model",
    "show": "report.notebook_figures",
    "AuditResult": "services.python_results",
    "RepairResult": "services.python_results",
    "SavedRun": "services.read_run",
    "load_run": "services.read_run",
    "BackburnError": "errors",
    "Audit": "results",
    "Evidence": "results",
    "Repaired": "results",
    "Suspects": "results",
    "Unlearned": "results",
    "Verdict": "results",
    "BoundaryResult": "types",
    "Case": "types",
    "InputError": "errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, because importing torch takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module 'backburn' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted([*__all__, "__version__"])

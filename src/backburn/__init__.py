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
    from .burn.burn import BURN
    from .burn.paper import PaperBURN
    from .data.indexable import from_dataset
    from .data.reading import load_images
    from .data.review import Review
    from .data.reviews import read_review
    from .errors import BackburnError, InputError
    from .face import audit, repair
    from .models.loading import load_model
    from .report.show import show
    from .services.results import AuditResult, RepairResult
    from .services.saved import SavedRun, load_run
    from .types import Audit, BoundaryResult, Case, Evidence, Repaired, Suspects, Unlearned, Verdict

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
    "audit": "face",
    "repair": "face",
    "from_dataset": "data.indexable",
    "load_images": "data.reading",
    "Review": "data.review",
    "read_review": "data.reviews",
    "load_model": "models.loading",
    "show": "report.show",
    "AuditResult": "services.results",
    "RepairResult": "services.results",
    "SavedRun": "services.saved",
    "load_run": "services.saved",
    "BackburnError": "errors",
    "InputError": "errors",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: torch takes seconds."""
    if name not in __all__:
        raise AttributeError(f"module 'backburn' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'types')}", __name__), name)


def __dir__() -> list[str]:
    """The public names, for completion."""
    return sorted([*__all__, "__version__"])

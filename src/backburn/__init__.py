"""BURN: backdoor unlearning via adversarial boundary analysis.

>>> import backburn
>>> result = backburn.repair(model, images, labels)     # doctest: +SKIP
>>> result.verdict.state                                # doctest: +SKIP
'backdoored'
"""

from importlib.metadata import version
from typing import TYPE_CHECKING

from .lazy_names import lazy_names

__version__ = version("backburn")
__all__ = [
    "BURN",
    "Audit",
    "AuditResult",
    "BackburnError",
    "BoundaryResult",
    "Case",
    "ClassEvidence",
    "Evidence",
    "InputError",
    "PaperBURN",
    "Phase",
    "RepairResult",
    "Repaired",
    "Review",
    "SavedRun",
    "SuspectImage",
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
    "search_boundary",
    "show",
]

if TYPE_CHECKING:
    from . import attacks as attacks
    from . import baselines as baselines
    from . import testing as testing
    from . import toolkits as toolkits
    from . import types as types
    from .api import audit, repair
    from .boundary.search_boundary import search_boundary
    from .burn.burn import BURN
    from .burn.paper import PaperBURN
    from .data.load_images import load_images
    from .data.review import Review
    from .data.review_file import read_review
    from .data.sources.python_dataset import from_dataset
    from .errors import BackburnError, InputError
    from .models.open.open_model import load_model
    from .report.notebook_figures import show
    from .results import (
        Audit,
        ClassEvidence,
        Evidence,
        Phase,
        Repaired,
        SuspectImage,
        Suspects,
        Unlearned,
        Verdict,
    )
    from .services.python_results import AuditResult, RepairResult
    from .services.read_run import SavedRun, load_run
    from .types import BoundaryResult, Case
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Audit": ".results",
            "AuditResult": ".services.python_results",
            "BURN": ".burn.burn",
            "BackburnError": ".errors",
            "BoundaryResult": ".types",
            "Case": ".types",
            "ClassEvidence": ".results",
            "Evidence": ".results",
            "InputError": ".errors",
            "PaperBURN": ".burn.paper",
            "Phase": ".results",
            "RepairResult": ".services.python_results",
            "Repaired": ".results",
            "Review": ".data.review",
            "SavedRun": ".services.read_run",
            "SuspectImage": ".results",
            "Suspects": ".results",
            "Unlearned": ".results",
            "Verdict": ".results",
            "audit": ".api",
            "from_dataset": ".data.sources.python_dataset",
            "load_images": ".data.load_images",
            "load_model": ".models.open.open_model",
            "load_run": ".services.read_run",
            "read_review": ".data.review_file",
            "repair": ".api",
            "search_boundary": ".boundary.search_boundary",
            "show": ".report.notebook_figures",
        },
        modules=("attacks", "baselines", "testing", "toolkits", "types"),
        others=("__version__",),
    )

"""Suspects as an issue of cleanlab's Datalab: a table of scores, and an issue manager.

>>> lab = Datalab(data, label_name="label")                    # doctest: +SKIP
>>> register_backdoor_issue()                                  # doctest: +SKIP
>>> result = backburn.audit(model, images, labels)             # doctest: +SKIP
>>> lab.find_issues(issue_types={"backdoor": backdoor_issue(result)})   # doctest: +SKIP
>>> lab.get_issues("backdoor")                                 # doctest: +SKIP
"""

from typing import Any, ClassVar

import numpy as np

from ..errors import InputError
from ..results import Audit, Unlearned

try:
    import pandas as pd
    from cleanlab.datalab.internal.issue_manager import IssueManager
    from cleanlab.datalab.internal.issue_manager_factory import register
except ImportError as missing:
    raise InputError("cleanlab is not installed: pip install 'backburn[cleanlab]'") from missing

ISSUE = "backdoor"


def backdoor_issue(result: Audit | Unlearned) -> dict[str, Any]:
    """The arguments of `Datalab.find_issues(issue_types={"backdoor": ...})`.

    Args:
        result: of an audit or a repair.
    Returns:
        `poison`: the score of each image in [0, 1], 1 for certain poison. `flagged`: which images
        are suspects. `restored`: their restored labels, -1 for all other images.
    """
    restored = np.full(len(result.evidence.score), -1)
    restored[result.suspects.index.numpy()] = result.suspects.restored_label.numpy()
    return {
        "poison": result.evidence.score.numpy(),
        "flagged": result.evidence.flagged.numpy(),
        "restored": restored,
    }


def suspects_to_cleanlab(result: Audit | Unlearned) -> pd.DataFrame:
    """A table in cleanlab's columns, one row for each image.

    The columns are `is_backdoor_issue`, `backdoor_score` and `restored_label`. As in cleanlab, a
    score of 1 is clean and 0 certain poison. The restored label is -1 for images that are not
    suspects.
    """
    return _table(**backdoor_issue(result))


class BackdoorIssueManager(IssueManager):  # type: ignore[misc]  # cleanlab has no types
    """The suspects as an issue of a Datalab."""

    description: ClassVar[str] = """Images that look as if they had been planted to give the model
    a backdoor: they carry a trigger, and mostly a label that is not theirs."""
    issue_name: ClassVar[str] = ISSUE
    verbosity_levels: ClassVar[dict[int, list[str]]] = {0: [], 1: ["suspects"], 2: []}

    def find_issues(self, poison: Any, flagged: Any, restored: Any) -> None:
        """Store the issues in the Datalab; `backdoor_issue` makes the arguments.

        Raises:
            InputError: the Datalab has another number of images.
        """
        count = len(self.datalab.data)
        if not len(poison) == len(flagged) == len(restored) == count:
            raise InputError(f"{len(poison)} scores for a Datalab of {count} images: audit these")
        table = _table(poison, flagged, restored)
        self.issues = table[[f"is_{ISSUE}_issue", self.issue_score_key]]
        self.summary = self.make_summary(score=float(self.issues[self.issue_score_key].mean()))
        self.info = self.collect_info(table)

    def collect_info(self, table: pd.DataFrame) -> dict[str, Any]:
        """The number of suspects, and the restored labels of all images."""
        return {
            "suspects": int(table[f"is_{ISSUE}_issue"].sum()),
            "restored_label": table["restored_label"].to_numpy(),
        }


def register_backdoor_issue() -> None:
    """Register `backdoor` with Datalab as an issue of classification."""
    from cleanlab.datalab.internal.issue_manager_factory import list_possible_issue_types
    from cleanlab.datalab.internal.task import Task

    if ISSUE not in list_possible_issue_types(Task.CLASSIFICATION):
        register(BackdoorIssueManager)


def _table(poison: Any, flagged: Any, restored: Any) -> pd.DataFrame:
    columns = {
        f"is_{ISSUE}_issue": np.asarray(flagged, dtype=bool),
        f"{ISSUE}_score": 1 - np.asarray(poison, dtype=float),
        "restored_label": np.asarray(restored),
    }
    return pd.DataFrame(columns)

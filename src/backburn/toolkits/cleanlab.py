"""Suspects for cleanlab's Datalab: a table of scores, and an issue manager that takes it.

>>> lab = Datalab(data, label_name="label")                    # doctest: +SKIP
>>> register_backdoor_issue()                                  # doctest: +SKIP
>>> found = backburn.audit(model, images, labels)              # doctest: +SKIP
>>> lab.find_issues(issue_types={"backdoor": backdoor_issue(found)})    # doctest: +SKIP
>>> lab.get_issues("backdoor")                                 # doctest: +SKIP
"""

from typing import Any, ClassVar

import numpy as np

from ..errors import InputError
from ..types import Audit, Unlearned

try:
    import pandas as pd
    from cleanlab.datalab.internal.issue_manager import IssueManager
    from cleanlab.datalab.internal.issue_manager_factory import register
except ImportError as missing:
    raise InputError("cleanlab is not installed: pip install 'backburn[cleanlab]'") from missing

ISSUE = "backdoor"


def backdoor_issue(found: Audit | Unlearned) -> dict[str, Any]:
    """What `Datalab.find_issues(issue_types={"backdoor": ...})` takes, from an audit or a repair.

    `poison`: in [0, 1] for each image, 1 = certainly poison; `flagged`: which are suspects;
    `restored`: their restored labels, -1 for all other images.
    """
    restored = np.full(len(found.evidence.score), -1)
    restored[found.suspects.index.numpy()] = found.suspects.restored_label.numpy()
    return {
        "poison": found.evidence.score.numpy(),
        "flagged": found.evidence.flagged.numpy(),
        "restored": restored,
    }


def suspects_to_cleanlab(found: Audit | Unlearned) -> pd.DataFrame:
    """cleanlab's columns, a row an image: `is_backdoor_issue`, `backdoor_score` (cleanlab's way:
    1 is fine, 0 certainly poison) and `restored_label` (-1 for what is no suspect)."""
    return _table(**backdoor_issue(found))


class BackdoorIssueManager(IssueManager):  # type: ignore[misc]  # cleanlab has no types
    """Images that are held to be poison, as an issue of a Datalab."""

    description: ClassVar[str] = """Images that look as if they had been planted to give the model
    a backdoor: they carry a trigger, and mostly a label that is not theirs."""
    issue_name: ClassVar[str] = ISSUE
    verbosity_levels: ClassVar[dict[int, list[str]]] = {0: [], 1: ["suspects"], 2: []}

    def find_issues(self, poison: Any, flagged: Any, restored: Any) -> None:
        """Take over what backburn found; the arguments are those of `backdoor_issue`.

        Raises:
            InputError: scores for another number of images than the Datalab has.
        """
        count = len(self.datalab.data)
        if not len(poison) == len(flagged) == len(restored) == count:
            raise InputError(f"{len(poison)} scores for a Datalab of {count} images: audit these")
        table = _table(poison, flagged, restored)
        self.issues = table[[f"is_{ISSUE}_issue", self.issue_score_key]]
        self.summary = self.make_summary(score=float(self.issues[self.issue_score_key].mean()))
        self.info = self.collect_info(table)

    def collect_info(self, table: pd.DataFrame) -> dict[str, Any]:
        """How many suspects there are, and the restored labels of all images."""
        return {
            "suspects": int(table[f"is_{ISSUE}_issue"].sum()),
            "restored_label": table["restored_label"].to_numpy(),
        }


def register_backdoor_issue() -> None:
    """Make `backdoor` known to Datalab as an issue of classification."""
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

"""Suspects as an issue of cleanlab's Datalab."""

import numpy as np
import pytest
import torch

from backburn.results import Audit, Evidence, Suspects, Verdict
from backburn.types import BoundaryResult

pytest.importorskip("cleanlab")


@pytest.fixture
def found() -> Audit:
    """Of five images, those of rows 1 and 4 are suspect."""
    score = torch.tensor([0.1, 0.9, 0.0, 0.25, 1.0])
    nothing = torch.zeros(5)
    return Audit(
        Suspects(torch.tensor([1, 4]), torch.tensor([0, 0]), torch.tensor([2, 1]), torch.ones(2)),
        Evidence(score, score > 0.5),
        Verdict("backdoored", (0,), 0.001),
        BoundaryResult(nothing.bool(), nothing, nothing.long()),
    )


@pytest.fixture
def lab():
    from cleanlab import Datalab

    return Datalab({"image": list(range(5)), "label": [0, 0, 1, 2, 0]}, label_name="label")


def test_a_score_of_one_is_fine_and_of_zero_is_certainly_poison(found):
    from backburn.toolkits.cleanlab import suspects_to_cleanlab

    table = suspects_to_cleanlab(found)
    np.testing.assert_allclose(table["backdoor_score"], [0.9, 0.1, 1, 0.75, 0], atol=1e-6)
    assert table["is_backdoor_issue"].tolist() == [False, True, False, False, True]
    assert table["restored_label"].tolist() == [-1, 2, -1, -1, 1]


def test_a_datalab_finds_and_reports_the_suspects(found, lab, capsys):
    from backburn.toolkits.cleanlab import backdoor_issue, register_backdoor_issue

    register_backdoor_issue()
    register_backdoor_issue()
    assert "Overwriting" not in capsys.readouterr().out
    lab.find_issues(issue_types={"backdoor": backdoor_issue(found)})
    issues = lab.get_issues("backdoor")
    assert issues["is_backdoor_issue"].tolist() == [False, True, False, False, True]
    assert issues["backdoor_score"].argmin() == 4
    summary = lab.get_issue_summary("backdoor")
    assert summary["num_issues"].tolist() == [2]
    assert summary["score"].tolist() == [pytest.approx(0.55)]
    assert lab.get_info("backdoor")["suspects"] == 2
    lab.report()
    assert "backdoor issues" in capsys.readouterr().out


def test_scores_of_other_images_are_refused(found, lab):
    from backburn.errors import InputError
    from backburn.toolkits.cleanlab import BackdoorIssueManager, backdoor_issue

    issue = {name: values[:4] for name, values in backdoor_issue(found).items()}
    with pytest.raises(InputError, match="4 scores for a Datalab of 5 images"):
        BackdoorIssueManager(lab).find_issues(**issue)

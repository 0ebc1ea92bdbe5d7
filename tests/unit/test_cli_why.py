"""The sentence that says why a class is accused."""

import pytest

from backburn.report.words import why_accused


@pytest.mark.parametrize(
    ("transfer", "reversion", "told"),
    [
        (
            0.97,
            0.1,
            "Adding the pattern shared by the suspects to images of other classes turns 97.0 %",
        ),
        (
            0.1,
            0.86,
            "A model retrained without the suspects takes them for images of other classes",
        ),
    ],
)
def test_the_stronger_trial_is_told(transfer, reversion, told):
    tried = {"name": "cat", "transfer": transfer, "reversion": reversion}
    assert why_accused(tried).startswith(told)


@pytest.mark.parametrize(("transfer", "reversion"), [(0.3, 0.1), (0.1, 0.3)])
def test_where_nothing_is_flagged_no_suspects_are_spoken_of(transfer, reversion):
    said = why_accused({"name": "cat", "transfer": transfer, "reversion": reversion}, flagged=False)
    assert "some of its images" in said
    assert "suspects" not in said

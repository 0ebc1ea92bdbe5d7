"""The sentence that says why a class is accused."""

import pytest

from backburn.report.words import why_accused


@pytest.mark.parametrize(
    ("transfer", "retraining", "told"),
    [
        (
            0.97,
            0.05,
            "Adding what sets the suspects apart to images of other classes turns 97.0 % of them",
        ),
        (
            0.05,
            0.86,
            "A model retrained without the suspects is sure that they show other classes than",
        ),
    ],
)
def test_what_the_tests_showed_is_told(transfer, retraining, told):
    tried = {"name": "cat", "transfer": transfer, "retraining": retraining}
    assert why_accused(tried).startswith(told)


@pytest.mark.parametrize(("transfer", "retraining"), [(0.3, 0.1), (0.1, 0.3)])
def test_where_nothing_is_flagged_no_suspects_are_spoken_of(transfer, retraining):
    said = why_accused(
        {"name": "cat", "transfer": transfer, "retraining": retraining}, flagged=False
    )
    assert "some of its images" in said
    assert "suspects" not in said

"""The sentence that says why a class is accused."""

import pytest

from backburn.report.phrases import explain_class


@pytest.mark.parametrize(
    ("transfer", "probe", "told"),
    [
        (
            0.97,
            0.1,
            "Adding the pattern shared by the suspects to images of other classes turns 97.0 %",
        ),
        (
            0.05,
            0.2,
            "A classifier that was fitted without the suspects takes them for other",
        ),
        (0.97, None, "Adding the pattern"),
    ],
)
def test_what_speaks_for_a_backdoor_is_told(transfer, probe, told):
    tried = {"name": "cat", "transfer": transfer, "probe": probe}
    assert explain_class(tried).startswith(told)


@pytest.mark.parametrize("transfer", [0.3, 0.05])
def test_where_nothing_is_flagged_no_suspects_are_spoken_of(transfer):
    said = explain_class({"name": "cat", "transfer": transfer}, flagged=False)
    assert "some of its images" in said
    assert "suspects" not in said

import pytest

from backburn.boundary.budget import BUDGETS, Budget, get_budget
from backburn.errors import InputError


def test_a_budget_goes_by_its_name():
    assert get_budget("exact") is BUDGETS["exact"]
    assert get_budget("default") == Budget()


def test_a_budget_of_ones_own_is_taken_as_it_is():
    own = Budget(candidates=7)
    assert get_budget(own) is own


def test_only_the_screen_does_without_verification():
    assert [name for name, budget in BUDGETS.items() if not budget.certified] == ["screen"]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("exct", "did you mean 'exact'"),
        ("", "known: default, exact, fast, screen"),
        ("Fast", "did you mean 'fast'"),
    ],
)
def test_an_unknown_budget_is_answered_with_the_nearest_or_the_list(name, answer):
    with pytest.raises(InputError, match=f"unknown budget '{name}': {answer}"):
        get_budget(name)

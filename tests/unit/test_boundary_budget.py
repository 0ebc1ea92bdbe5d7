import pytest

from backburn.boundary.budget import BUDGETS, Budget, get_budget
from backburn.errors import InputError


@pytest.mark.parametrize(
    "setting", ["candidates", "survivors", "patience", "opening", "closing", "refining"]
)
def test_a_budget_with_too_little_of_anything_is_refused(setting):
    least = 1 if setting in ("candidates", "survivors", "patience") else 0
    assert getattr(Budget(**{setting: least}), setting) == least
    with pytest.raises(InputError, match=f"(steps|{setting}).* of a budget: give {least} or more"):
        Budget(**{setting: least - 1})


def test_rivals_that_leave_out_the_nearest_class_are_refused():
    assert Budget(rivals=1).rivals == 1
    with pytest.raises(InputError, match="rivals of 1 or more"):
        Budget(rivals=0.99)


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

"""Means and their intervals."""

import pytest

from backburn.benchmark.comparison.intervals import Mean, bootstrap_mean, mean_of_known

SPREAD = [("a", 0.1), ("a", 0.3), ("b", 0.6), ("c", 0.8), ("d", 0.2)]


def test_two_attacks_are_drawn_in_four_ways():
    # both the low one, both the high one, or one of each (half of the draws)
    mean = bootstrap_mean([("a", 0.2), ("b", 0.6)])
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.4, 0.2, 0.6))
    assert mean.count == 2


def test_attacks_are_drawn_with_all_their_seeds():
    # one seed alone is never drawn: the bounds are the attacks' own means
    mean = bootstrap_mean([("a", 0.0), ("a", 0.4), ("b", 0.5), ("b", 0.9)])
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.45, 0.2, 0.7))


def test_an_attack_weighs_what_it_has_victims():
    # drawn are (a, a) .1, (a, b) (.1 + .1 + .4) / 3 = .2 or (b, b) .4
    mean = bootstrap_mean([("a", 0.1), ("a", 0.1), ("b", 0.4)])
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.2, 0.1, 0.4))


@pytest.mark.parametrize(
    "values", [[("a", 0.5)], [("a", 0.5), ("a", 0.7)], [("a", 0.5), ("b", None)]]
)
def test_one_attack_or_one_value_has_no_interval(values):
    mean = bootstrap_mean(values)
    assert mean.low is mean.high is None


def test_equal_values_have_an_interval_without_width():
    mean = bootstrap_mean([("a", 0.1), ("b", 0.1), ("b", 0.1), ("c", 0.1)])
    assert mean.low == mean.high == mean.value == pytest.approx(0.1)


def test_nothing_has_no_mean():
    assert bootstrap_mean([]) is bootstrap_mean([("a", None)]) is mean_of_known([None]) is None


def test_what_is_unknown_does_not_count():
    assert mean_of_known([0.25, None, 0.75]) == Mean(0.5, 2)
    assert bootstrap_mean([("a", 0.2), ("b", 0.6), ("c", None)]).count == 2


def test_the_same_values_have_the_same_interval_in_any_order():
    assert bootstrap_mean(SPREAD) == bootstrap_mean(SPREAD) == bootstrap_mean(SPREAD[::-1])
    assert 0.1 < bootstrap_mean(SPREAD).low < 0.4 < bootstrap_mean(SPREAD).high < 0.8

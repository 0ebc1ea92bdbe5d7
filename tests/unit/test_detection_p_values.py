"""P-values from a case's own groups: by rank, and beyond the largest by a tail."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, genpareto, kstest

from backburn.detection.p_values import (
    adjust_p_values,
    combine_p_values,
    compute_p_value,
    correlation_of_ranks,
    false_discovery_rates,
    smallest_significant,
    to_log_scale,
)

SHARES = st.floats(-1, 1)
NULLS = st.lists(SHARES, min_size=1, max_size=60)
RESOLUTION = 0.02


RESOLUTIONS = st.floats(1e-4, 0.5)


@given(SHARES, NULLS, RESOLUTIONS)
def test_a_p_value_is_above_0_and_never_above_the_rank(value, null, resolution):
    rank = (1 + sum(each >= value for each in null)) / (len(null) + 1)
    assert 0 < compute_p_value(value, null, resolution) <= rank <= 1


@given(SHARES, NULLS, RESOLUTIONS, st.integers(0, 3), st.randoms())
def test_neither_the_unit_nor_the_order_of_the_placebos_matters(
    value, null, resolution, power, random
):
    unit, shuffled = 2.0**power, random.sample(null, len(null))
    assert compute_p_value(
        value * unit, [each * unit for each in shuffled], resolution * unit
    ) == pytest.approx(compute_p_value(value, null, resolution), rel=1e-6)


@given(SHARES, SHARES, NULLS)
def test_a_larger_statistic_is_no_likelier(one, other, null):
    small, large = sorted([one, other])
    assert compute_p_value(large, null, RESOLUTION) <= compute_p_value(small, null, RESOLUTION)


@given(NULLS, st.data())
def test_among_the_placebos_it_is_the_rank(null, data):
    value = data.draw(st.sampled_from(null))
    rank = 1 + sum(each >= value for each in null)
    assert compute_p_value(value, null, RESOLUTION) == pytest.approx(rank / (len(null) + 1))


@given(NULLS)
def test_beyond_all_placebos_it_is_below_the_smallest_rank(null):
    beyond = compute_p_value(max(null) + 1, null, RESOLUTION)
    assert beyond <= 1 / (len(null) + 1)
    assert compute_p_value(max(null) + 2, null, RESOLUTION) <= beyond


def test_far_beyond_few_placebos_it_is_extrapolated():
    """Five of twenty are in the tail. So well the scale of an exponential one is known."""
    null = [0.0] * 15 + [0.1, 0.2, 0.3, 0.4, 0.5]
    expected = 6 / 21 * genpareto.sf(1.0, 1 / 5, scale=0.3)
    assert compute_p_value(1.0, null, RESOLUTION) == pytest.approx(expected)


def test_values_that_are_tied_with_the_threshold_are_not_in_the_tail():
    for resolution in (RESOLUTION, 0.2):
        expected = 1 / 21 * genpareto.sf(1.0, 1 / 5, scale=resolution)
        assert compute_p_value(1.0, [0.0] * 20, resolution) == pytest.approx(expected)
    expected = 2 / 21 * genpareto.sf(1.0, 1 / 5, scale=0.5)
    assert compute_p_value(1.0, [0.0] * 19 + [0.5], RESOLUTION) == pytest.approx(expected)


def test_more_placebos_make_the_same_statistic_less_likely():
    p_values = [compute_p_value(1.0, [0.0] * count, RESOLUTION) for count in (4, 12, 40, 116)]
    assert p_values == sorted(p_values, reverse=True)
    assert p_values[-1] < 1e-8


@pytest.mark.parametrize("null", [[], [math.nan], [math.nan, math.inf]])
def test_without_placebos_nothing_can_be_said(null):
    assert compute_p_value(1.0, null, RESOLUTION) == 1


def test_a_statistic_that_was_not_measured_says_nothing():
    assert compute_p_value(math.nan, [0.1, 0.2], RESOLUTION) == 1


def test_placebos_that_were_not_measured_do_not_count():
    assert compute_p_value(0.3, [0.1, math.nan, 0.4], RESOLUTION) == compute_p_value(
        0.3, [0.1, 0.4], RESOLUTION
    )


@pytest.mark.parametrize(("count", "level"), [(24, 0.05), (60, 0.05), (60, 0.01), (200, 0.002)])
def test_few_of_a_clean_cases_statistics_are_below_a_level(count, level, generator):
    """Exponential statistics, which a tail fits: no more below the level than there should be."""
    times = 1500
    draws = -0.05 * torch.rand(times, count + 1, generator=generator).log()
    below = sum(compute_p_value(value, null, 1e-4) < level for value, *null in draws.tolist())
    # the scale is estimated from a few values; five standard deviations above twice the level
    assert below <= 2 * level * times + 5 * math.sqrt(2 * level * times)
    assert below >= 0.2 * level * times - 3 * math.sqrt(level * times)


def by_hand(p_values: list[float], count: int) -> list[float]:
    """Holm's p-value: the least level at which the step-down procedure rejects a hypothesis."""

    def rejected(level: float) -> set[int]:
        out: set[int] = set()
        for rank, (p, k) in enumerate(sorted((p, k) for k, p in enumerate(p_values))):
            if p * (count - rank) > level:
                break
            out.add(k)
        return out

    levels = sorted({min(1.0, p * times) for p in p_values for times in range(1, count + 1)} | {1})
    found = [1.0] * len(p_values)
    for level in reversed(levels):
        for k in rejected(level):
            found[k] = level
    return found


@settings(max_examples=60)
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=6), st.integers(0, 4))
def test_classes_are_paid_for_as_holm_did(p_values, untried):
    count = len(p_values) + untried
    assert adjust_p_values(p_values, count) == pytest.approx(by_hand(p_values, count))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 30), st.randoms())
def test_the_order_of_classes_does_not_matter(p_values, untried, random):
    count = len(p_values) + untried
    adjusted = adjust_p_values(p_values, count)
    order = random.sample(range(len(p_values)), len(p_values))
    assert adjust_p_values([p_values[k] for k in order], count) == [adjusted[k] for k in order]


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
    st.integers(0, 30),
    st.integers(0, 19),
    st.floats(0, 1),
)
def test_a_corrected_p_value_is_between_the_raw_one_and_that_of_bonferroni(
    p_values, untried, place, other
):
    count = len(p_values) + untried
    adjusted = adjust_p_values(p_values, count)
    for raw, corrected in zip(p_values, adjusted, strict=True):
        assert raw <= corrected <= min(1.0, count * raw)
    assert [adjusted[k] for k in sorted(range(len(p_values)), key=p_values.__getitem__)] == sorted(
        adjusted
    )
    # one p-value rises, and none of the corrected ones falls
    raised = list(p_values)
    raised[place % len(p_values)] = max(other, raised[place % len(p_values)])
    pairs = zip(adjusted, adjust_p_values(raised, count), strict=True)
    assert all(before <= after for before, after in pairs)


@given(st.floats(1e-12, 1), st.floats(1e-12, 1))
def test_two_tests_are_combined_as_fisher_did(first, second):
    expected = chi2.sf(-2 * (math.log(first) + math.log(second)), 4)
    assert combine_p_values(first, second) == pytest.approx(expected, rel=1e-6)
    assert combine_p_values(first, second) == combine_p_values(second, first)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_combined_p_value_is_no_less_than_the_product_and_rises_with_each(first, second, other):
    combined = combine_p_values(first, second)
    assert first * second <= combined <= 1
    assert combined > 0
    assert combined <= combine_p_values(max(first, other), second) + 1e-12


def test_of_uniform_p_values_the_combined_one_is_uniform(generator):
    both = torch.rand(4000, 2, generator=generator, dtype=torch.double).tolist()
    assert kstest([combine_p_values(*pair) for pair in both], "uniform").pvalue > 0.001


@given(st.floats(1e-12, 1))
def test_a_test_that_is_done_twice_says_no_more_than_once(p_value):
    assert combine_p_values(p_value, p_value, correlation=1.0) == pytest.approx(p_value, rel=1e-6)


@given(st.floats(1e-12, 1e-3), st.floats(1e-12, 1e-3), st.floats(0, 1))
def test_dependent_tests_say_less(first, second, correlation):
    together = combine_p_values(first, second, correlation)
    assert together >= combine_p_values(first, second) * (1 - 1e-9)


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_of_dependent_tests_few_are_below_a_level(shared):
    """Two families of two statistics of 4,000 groups, with a part in common."""
    rng = np.random.default_rng(0)
    own, common = rng.normal(size=(2, 4000, 2)), rng.normal(size=(4000, 1))
    first, second = ((1 - shared) * each + shared * common for each in own)
    correlation = correlation_of_ranks(first, second)
    assert (correlation > 0.1) == (shared > 0)
    ranks = [np.argsort(np.argsort(-each[:, 0])) for each in (first, second)]
    p_values = np.array(
        [
            combine_p_values(*pair, correlation)
            for pair in zip(*((each + 1) / len(each) for each in ranks), strict=True)
        ]
    )
    for level in (0.05, 0.01):
        deviation = math.sqrt(level * (1 - level) / len(p_values))
        assert (p_values < level).mean() <= level + 3 * deviation


def test_families_that_are_constant_or_opposed_are_not_correlated():
    rising = np.arange(10.0)[:, None]
    assert correlation_of_ranks(rising, np.zeros((10, 2))) == 0
    assert correlation_of_ranks(rising, -rising) == 0
    assert correlation_of_ranks(rising[:0], rising[:0]) == 0
    assert correlation_of_ranks(rising, rising**3) == pytest.approx(1)


def test_no_p_value_is_too_small_to_be_combined():
    assert 0 < combine_p_values(0.0, 0.0) < 1e-200


@settings(max_examples=60)
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=12), st.integers(0, 4))
def test_rates_of_wrong_targets_are_those_of_benjamini_and_hochberg(p_values, untried):
    count = len(p_values) + untried
    rates = false_discovery_rates(p_values, count)
    for p, rate in zip(p_values, rates, strict=True):
        # the least share of wrong ones, over all sets of the smallest p-values that hold this one
        larger = [other for other in p_values if other >= p] + [1.0] * untried
        assert rate == pytest.approx(
            min(1.0, *(q * count / sum(r <= q for r in p_values + [1.0] * untried) for q in larger))
        )
        assert p <= rate <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_rates_of_wrong_targets_are_no_larger_than_holms_p_values(p_values):
    pairs = zip(
        false_discovery_rates(p_values, len(p_values)),
        adjust_p_values(p_values, len(p_values)),
        strict=True,
    )
    assert all(rate <= adjusted + 1e-12 for rate, adjusted in pairs)


@given(st.lists(st.floats(-1, 0.99), min_size=2, max_size=9))
def test_the_logarithmic_scale_keeps_the_order_and_small_shares(shares):
    logs = to_log_scale(sorted(shares))
    assert logs == sorted(logs)
    assert [1 - math.exp(-value) for value in logs] == pytest.approx(sorted(shares), abs=1e-9)
    assert math.isfinite(to_log_scale([1.0])[0])


@settings(max_examples=50)
@given(st.lists(st.floats(0, 0.3), min_size=4, max_size=40), st.floats(1e-4, 0.2))
def test_what_is_needed_is_where_the_p_value_falls_below_the_level(null, level):
    least = smallest_significant(null, RESOLUTION, level)
    if math.isinf(least):
        assert compute_p_value(1.0, null, RESOLUTION) >= level
    else:
        assert compute_p_value(least, null, RESOLUTION) < level
        assert least == pytest.approx(0, abs=1e-5) or (
            compute_p_value(least - 1e-5, null, RESOLUTION) >= level
        )


def test_where_even_a_perfect_trigger_would_not_stand_out_nothing_is_enough():
    assert smallest_significant([0.9, 1.0, 0.95], RESOLUTION, 0.01) == math.inf
    assert smallest_significant([0.5] * 10, 0.5, 0.001) == math.inf

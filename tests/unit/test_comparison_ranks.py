"""Mean ranks and what is significant about them, against figures by hand and another library."""

import numpy as np
import pytest
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy import stats

from backburn.benchmark.comparison.ranks import mean_ranks, nemenyi_p_values
from compared import defense_row

DERS = {
    "a": [0.9, 0.8, 0.9, 0.7],
    "b": [0.8, 0.8, 0.7, 0.6],
    "c": [0.5, 0.6, 0.8, 0.9],
}


def rows_of(ders: dict[str, list[float]]) -> list[dict]:
    """A victim an attack."""
    return [
        defense_row(method, f"attack {place}", der=value)
        for method, values in ders.items()
        for place, value in enumerate(values)
    ]


def test_ranks_are_averaged_and_ties_shared():
    ranks = mean_ranks(rows_of(DERS))
    # by attack: 1 2 3, 1.5 1.5 3, 1 3 2, 2 3 1
    assert ranks.mean == {"a": 5.5 / 4, "c": 9 / 4, "b": 9.5 / 4}
    assert list(ranks.mean) == ["a", "c", "b"]
    assert (ranks.victims, ranks.total, ranks.attacks) == (4, 4, 4)


def test_with_a_victim_an_attack_the_tests_are_the_usual_ones():
    ranks = mean_ranks(rows_of(DERS))
    names = list(ranks.mean)
    usual = posthoc_nemenyi_friedman(np.array([DERS[name] for name in names]).T)
    np.testing.assert_allclose(nemenyi_p_values(ranks), usual.to_numpy(), atol=1e-9)
    assert ranks.p_value == pytest.approx(stats.friedmanchisquare(*DERS.values()).pvalue)
    # Demsar's table has q = 2.343 for three methods
    assert ranks.critical_difference == pytest.approx(2.343 * (3 * 4 / (6 * 4)) ** 0.5, abs=1e-3)


def test_seeds_do_not_make_a_difference_more_certain():
    once, thrice = (
        mean_ranks([{**row, "seed": seed} for row in rows_of(DERS) for seed in range(seeds)])
        for seeds in (1, 3)
    )
    assert (thrice.victims, thrice.attacks) == (12, 4)
    assert thrice.mean == pytest.approx(once.mean)
    assert thrice.critical_difference == once.critical_difference
    assert thrice.p_value == pytest.approx(once.p_value)


def test_only_victims_that_all_methods_have_are_ranked():
    rows = [row for row in rows_of(DERS) if (row["method"], row["attack"]) != ("b", "attack 0")]
    rows[0]["der"] = ""  # so that attack 1 is the first that all have
    ranks = mean_ranks(rows)
    assert (ranks.victims, ranks.total) == (3, 4)
    assert ranks.mean == {"a": 4.5 / 3, "c": 6 / 3, "b": 7.5 / 3}


@pytest.mark.parametrize(
    "rows",
    [
        [],
        rows_of({"a": [0.9, 0.8]}),
        rows_of({"a": [0.9], "retrain": [1.0]}),
        [defense_row("a", "x"), defense_row("b", "y")],
    ],
)
def test_without_two_methods_on_one_victim_there_are_no_ranks(rows):
    assert mean_ranks(rows) is None


@pytest.mark.parametrize("name", ["retrain", "anp_oracle"])
def test_ceilings_and_oracles_are_not_ranked(name):
    assert mean_ranks(rows_of({**DERS, name: [1.0] * 4})) == mean_ranks(rows_of(DERS))


def test_the_lowest_may_be_best():
    assert list(mean_ranks(rows_of(DERS), lower=True).mean) == ["b", "c", "a"]


def test_what_cannot_be_tested_is_not():
    one = mean_ranks(rows_of({name: had[:1] for name, had in DERS.items()}))
    assert one.p_value is one.critical_difference is None
    assert one.mean == {"a": 1, "b": 2, "c": 3}
    two = mean_ranks(rows_of({name: DERS[name] for name in "ab"}))
    assert two.p_value is None
    assert two.critical_difference == pytest.approx(1.960 * (2 * 3 / (6 * 4)) ** 0.5, abs=1e-3)
    tied = mean_ranks(rows_of({name: [0.5, 0.7] for name in "abc"}))
    assert tied.p_value is None
    assert set(tied.mean.values()) == {2}
    np.testing.assert_allclose(nemenyi_p_values(tied), 1)

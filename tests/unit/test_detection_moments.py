"""Moments of shards, merged, are the moments of the whole."""

from functools import reduce

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from backburn.detection import moments as module
from backburn.detection.moments import Moments, moments, standard_error


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_merged_shards_are_the_whole_in_any_order(sizes, seed):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(sum(sizes) + 1, 3, 2, generator=generator) * 10 + 5
    shards = [moments(part) for part in values.split([*sizes, 1])]
    whole = moments(values)
    for order in (shards, shards[::-1]):
        found = reduce(Moments.merge, order)
        assert found.count == whole.count
        assert torch.allclose(found.total, whole.total, rtol=1e-12)
        assert torch.allclose(found.squares, whole.squares, rtol=1e-12)


def test_mean_and_spread_are_those_of_all_chosen_rows(generator, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_VALUES", 30)
    pixels = torch.randint(0, 256, (101, 3, 2, 2), dtype=torch.uint8, generator=generator)
    rows = torch.randperm(101, generator=generator)[:77]
    found, chosen = moments(pixels, rows), pixels[rows].double()
    assert found.mean.dtype == torch.float32
    assert torch.allclose(found.mean.double(), chosen.mean(0), rtol=1e-6)
    assert torch.allclose(found.spread.double(), chosen.std(0, correction=0), rtol=1e-5)


def test_what_never_varies_has_no_spread():
    found = moments(torch.full((1000, 2), 0.1, dtype=torch.half))
    assert found.spread.max() < 1e-7
    assert float(found.mean[0]) == pytest.approx(0.1, abs=1e-4)


def test_no_rows_have_no_mean():
    assert moments(torch.zeros(0, 2)).mean.isnan().all()
    assert moments(torch.zeros(0, 2)).spread.isnan().all()


def test_the_error_of_a_difference_is_that_of_welchs_test(generator):
    first, second = (
        torch.randn(400, 3, generator=generator),
        torch.randn(900, 3, generator=generator),
    )
    some, others = moments(first), moments(3 * second)
    expected = ttest_ind(first.numpy(), 3 * second.numpy(), equal_var=False).statistic
    measured = (some.mean - others.mean) / standard_error(some, others)
    assert measured.tolist() == pytest.approx(expected.tolist(), rel=0.01)

"""Samples that grow neither with a class nor with how many there are."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backburn.detection.sampling import (
    MAX_FITTED,
    chunks,
    fitted_positions,
    images_per_class,
    sample_rows,
    size_weight,
)


@pytest.mark.parametrize(
    ("count", "classes", "expected"),
    [
        (40, 1, 40),
        (40, 9, 40),
        (40, 10, 40),
        (40, 20, 20),
        (40, 42, 10),
        (1000, 43, 232),
        (5, 99, 5),
    ],
)
def test_of_many_classes_fewer_images_each_are_looked_at(count, classes, expected):
    assert images_per_class(count, classes) == expected


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_images_of_all_classes_are_no_more_than_those_of_ten(count, classes):
    each = images_per_class(count, classes)
    assert min(count, 10) <= each <= count
    assert each * classes <= max(10 * count, min(count, 10) * classes)
    assert images_per_class(count, classes + 1) <= each


@given(st.integers(0, 10**6), st.integers(1, 1000))
def test_a_weight_is_a_fraction_that_grows_with_the_group(count, natural):
    weight = size_weight(count, natural)
    assert 0 <= weight < size_weight(count + 1, natural) < 1


@settings(deadline=None)
@given(st.sets(st.integers(0, 10**6), max_size=60), st.integers(0, 80), st.integers(0, 99))
def test_some_rows_are_drawn_without_repeating_any(rows, count, seed):
    generator = torch.Generator().manual_seed(seed)
    given_rows = torch.tensor(sorted(rows), dtype=torch.long)
    chosen = sample_rows(given_rows, count, generator).tolist()
    assert len(chosen) == len(set(chosen)) == min(count, len(rows))
    assert set(chosen) <= rows


def test_another_draw_is_another_sample(generator):
    rows = torch.arange(40)
    assert not torch.equal(sample_rows(rows, 20, generator), sample_rows(rows, 20, generator))


def test_a_small_class_is_seen_whole_and_a_large_one_in_part():
    assert fitted_positions(5, 0).tolist() == [0, 1, 2, 3, 4]
    large = fitted_positions(MAX_FITTED + 1, 0)
    assert len(large) == MAX_FITTED
    assert large.tolist() == sorted(set(large.tolist()))
    assert fitted_positions(MAX_FITTED + 1, 0).equal(large)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 3 * MAX_FITTED))
def test_parts_hold_every_image_once(count):
    places = range(count)
    parts = [places[part] for part in chunks(count)]
    assert all(0 < len(part) <= MAX_FITTED for part in parts)
    assert [k for part in parts for k in part] == list(places)

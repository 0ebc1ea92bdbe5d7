"""Samples that grow neither with a class nor with how many there are."""

import pytest
import torch

from backburn.detection.sampling import (
    MAX_FITTED,
    chunks,
    fitted_positions,
    images_per_class,
    sample_rows,
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


@pytest.mark.parametrize(("count", "held"), [(4, 4), (9, 7)])
def test_some_rows_are_drawn_without_repeating_any(count, held, generator):
    rows = torch.arange(10, 17)
    chosen = sample_rows(rows, count, generator).tolist()
    assert len(chosen) == len(set(chosen)) == held
    assert set(chosen) <= set(rows.tolist())
    assert chosen != sample_rows(rows, count, generator).tolist()


def test_a_small_class_is_seen_whole_and_a_large_one_in_part():
    assert fitted_positions(5, 0).tolist() == [0, 1, 2, 3, 4]
    large = fitted_positions(MAX_FITTED + 1, 0)
    assert len(large) == MAX_FITTED
    assert large.tolist() == sorted(set(large.tolist()))
    assert fitted_positions(MAX_FITTED + 1, 0).equal(large)


def test_parts_hold_every_image_once():
    places = list(range(2 * MAX_FITTED + 1))
    assert [k for part in chunks(len(places)) for k in places[part]] == places

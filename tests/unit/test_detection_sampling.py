"""Samples that grow neither with a class nor with how many there are."""

import pytest
import torch

from backburn.detection.sampling import FITTED, drawn, of_each, parts, some


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
    assert of_each(count, classes) == expected


@pytest.mark.parametrize(("count", "held"), [(4, 4), (9, 7)])
def test_some_rows_are_drawn_without_repeating_any(count, held, generator):
    rows = torch.arange(10, 17)
    chosen = some(rows, count, generator).tolist()
    assert len(chosen) == len(set(chosen)) == held
    assert set(chosen) <= set(rows.tolist())
    assert chosen != some(rows, count, generator).tolist()


def test_a_small_class_is_seen_whole_and_a_large_one_in_part():
    assert drawn(5, 0).tolist() == [0, 1, 2, 3, 4]
    large = drawn(FITTED + 1, 0)
    assert len(large) == FITTED
    assert large.tolist() == sorted(set(large.tolist()))
    assert drawn(FITTED + 1, 0).equal(large)


def test_parts_hold_every_image_once():
    places = list(range(2 * FITTED + 1))
    assert [k for part in parts(len(places)) for k in places[part]] == places

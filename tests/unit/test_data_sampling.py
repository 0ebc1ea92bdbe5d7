"""A part of a training set with every class in it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backburn.data.sampling import stratified_sample
from backburn.errors import InputError

LABELS = torch.tensor([0] * 600 + [1] * 300 + [2] * 100 + [3])


def test_every_class_has_its_share_and_at_least_one(generator):
    rows = stratified_sample(LABELS, 100, generator)
    assert LABELS[rows].bincount().tolist() == [60, 30, 10, 1]
    assert rows.tolist() == sorted(set(rows.tolist()))


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=80), st.integers(1, 100), st.integers(0, 99)
)
def test_rows_ascend_and_every_class_is_within_one_image_of_its_share(labels, count, seed):
    given_labels = torch.tensor(labels)
    rows = stratified_sample(given_labels, count, torch.Generator().manual_seed(seed)).tolist()
    assert rows == sorted(set(rows))
    assert set(rows) <= set(range(len(labels)))
    for label in set(labels):
        share = labels.count(label) * min(1, count / len(labels))
        drawn = sum(labels[row] == label for row in rows)
        assert 1 <= drawn <= labels.count(label)
        assert abs(drawn - share) < 1


def test_all_is_the_most_there_is(generator):
    assert stratified_sample(LABELS, 5000, generator).tolist() == list(range(1001))


def test_the_generator_draws():
    one, same, other = (
        stratified_sample(LABELS, 50, torch.Generator().manual_seed(seed)).tolist()
        for seed in (0, 0, 1)
    )
    assert one == same != other


def test_less_than_one_is_refused(generator):
    with pytest.raises(InputError, match="max_images is 0"):
        stratified_sample(LABELS, 0, generator)

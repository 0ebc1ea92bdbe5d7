"""Results of parts of the images joined, taken apart and spread over all images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from backburn.boundary.concatenation import concatenate, result_columns
from backburn.types import BoundaryResult


def result(rows: list[int]) -> BoundaryResult:
    """Each column holds its row; odd rows were not found."""
    row = torch.tensor(rows)
    found = row % 2 == 0
    return BoundaryResult(
        found,
        torch.where(found, row.float(), torch.inf),
        torch.where(found, row, -1),
        row[:, None].expand(-1, 3).half(),
        found.clone(),
        10 * row,
        row[:, None].expand(-1, 2).float(),
    )


def test_joined_parts_are_one_result_in_order():
    whole = concatenate([result([0, 1]), result([2]), result([5, 4])], 5)
    assert len(whole) == 5
    assert whole.found.tolist() == [True, False, True, False, True]
    assert whole.distance.tolist() == [0, torch.inf, 2, torch.inf, 4]
    assert whole.crossed_label.tolist() == [0, -1, 2, -1, 4]
    assert whole.direction[:, 2].tolist() == [0, 1, 2, 5, 4]
    assert whole.certified.tolist() == whole.found.tolist()
    assert whole.passes.tolist() == [0, 10, 20, 50, 40]
    assert whole.feature[:, 1].tolist() == [0, 1, 2, 5, 4]
    assert whole.direction.dtype == torch.float16


def test_what_no_part_has_the_whole_does_not_have():
    part = result([0, 1])
    bare = BoundaryResult(part.found, part.distance, part.crossed_label)
    whole = concatenate([bare, bare], 4)
    assert whole.distance.tolist() == [0, torch.inf] * 2
    assert (whole.direction, whole.certified, whole.passes, whole.feature) == (None,) * 4


def test_a_column_that_only_some_parts_have_is_an_error():
    part = result([0, 1])
    bare = BoundaryResult(part.found, part.distance, part.crossed_label)
    with pytest.raises(ValueError, match="parts with columns"):
        concatenate([part, bare], 4)


def test_scattered_columns_are_empty_for_the_other_images():
    whole = result([2, 4]).scattered(torch.tensor([3, 1]), 4)
    assert whole.found.tolist() == [False, True, False, True]
    assert whole.distance.tolist() == [torch.inf, 4, torch.inf, 2]
    assert whole.crossed_label.tolist() == [-1, 4, -1, 2]
    assert whole.direction[:, 0].tolist() == [0, 4, 0, 2]
    assert whole.certified.tolist() == [False, True, False, True]
    assert whole.passes.tolist() == [0, 40, 0, 20]
    assert whole.feature.tolist() == [[0, 0], [4, 4], [0, 0], [2, 2]]
    assert whole.direction.dtype == torch.float16


def test_what_was_not_asked_for_is_not_scattered():
    part = result([0])
    bare = BoundaryResult(part.found, part.distance, part.crossed_label)
    whole = bare.scattered(torch.tensor([1]), 2)
    assert (whole.direction, whole.certified, whole.passes, whole.feature) == (None,) * 4


def test_columns_of_different_lengths_are_refused_in_tests():
    part = result([0, 1])
    with pytest.raises(TypeCheckError):
        BoundaryResult(part.found, part.distance[:1], part.crossed_label)


def test_rows_are_taken_in_the_order_asked_for():
    taken = result([0, 2, 4]).take(torch.tensor([2, 0]))
    assert taken.distance.tolist() == [4, 0]
    assert taken.direction[:, 0].tolist() == [4, 0]
    assert taken.passes.tolist() == [40, 0]
    bare = BoundaryResult(taken.found, taken.distance, taken.crossed_label)
    assert bare.take(torch.tensor([1])).direction is None


OPTIONAL = ("direction", "certified", "passes", "feature")
PARTS = st.lists(st.lists(st.integers(0, 100), max_size=6), min_size=1, max_size=5)
LACKING = st.sets(st.sampled_from(OPTIONAL))


def part_of(rows: list[int], lacking: set[str]) -> BoundaryResult:
    """A result without some of its columns."""
    part = result(rows) if rows else result([0]).take(torch.arange(0))
    columns = result_columns(part)
    return BoundaryResult(**{name: columns[name] for name in columns.keys() - lacking})


def assert_same(one: BoundaryResult, other: BoundaryResult) -> None:
    columns, others = result_columns(one), result_columns(other)
    assert columns.keys() == others.keys()
    for name, values in columns.items():
        assert values.dtype == others[name].dtype
        assert torch.equal(values, others[name])


@settings(deadline=None, max_examples=40)
@given(PARTS, LACKING)
def test_parts_are_taken_back_from_the_whole(rows, lacking):
    parts = [part_of(each, lacking) for each in rows]
    whole = concatenate(iter(parts), sum(map(len, rows)))
    begin = 0
    for part in parts:
        place = torch.arange(begin, begin + len(part))
        assert_same(whole.take(place), part)
        assert_same(whole.take(torch.isin(torch.arange(len(whole)), place)), part)
        begin += len(part)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 100), max_size=8), LACKING, st.integers(0, 8), st.randoms())
def test_scattered_results_are_where_they_belong_and_nothing_is_found_elsewhere(
    rows, lacking, others, random
):
    part, count = part_of(rows, lacking), len(rows) + others
    index = torch.tensor(random.sample(range(count), len(rows)), dtype=torch.long)
    whole = part.scattered(index, count)
    assert len(whole) == count
    assert_same(whole.take(index), part)
    rest = whole.take(~torch.isin(torch.arange(count), index))
    assert not rest.found.any()
    assert rest.distance.isinf().all()
    assert (rest.crossed_label == -1).all()
    for name in set(OPTIONAL) - lacking:
        assert not getattr(rest, name).any()

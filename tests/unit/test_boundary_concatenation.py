import pytest
import torch
from jaxtyping import TypeCheckError

from backburn.boundary.concatenation import concatenate
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

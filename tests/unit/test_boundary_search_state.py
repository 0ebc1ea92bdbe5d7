from dataclasses import fields

import pytest
import torch

from backburn.boundary.search_state import Tracks, smallest_per_image, start_tracks

INF = torch.inf


def tracks(image: list[int], radius: list[float]) -> Tracks:
    """Tracks that can be told apart by `last_margin`, which is their row."""
    count = len(image)
    step = torch.arange(2.0 * count).view(count, 2)
    made = start_tracks(
        torch.tensor(image), step, step + 1, torch.ones(count), torch.arange(float(count))
    )
    made.radius = torch.tensor(radius, dtype=torch.float32)
    return made


@pytest.mark.parametrize(
    ("image", "value", "count", "rows"),
    [
        ([0, 0, 0, 1, 1], [3, 1, 2, 5, 4], 1, [1, 4]),
        ([0, 0, 0, 1, 1], [3, 1, 2, 5, 4], 2, [1, 2, 4, 3]),
        ([0, 0, 0, 1, 1], [3, 1, 2, 5, 4], 9, [1, 2, 0, 4, 3]),
        ([2, 0, 2, 0], [1, 2, 0, 1], 1, [3, 2]),
        ([0, 0, 1], [INF, INF, INF], 1, [0, 2]),
        ([0, 0, 0], [INF, 7, INF], 2, [1, 0]),
        ([0, 0, 1], [1, 1, 1], 1, [0, 2]),
        ([0, 0, 1, 1], [torch.nan, 2, 1, torch.nan], 1, [1, 2]),
    ],
    ids=["one", "two", "all", "mixed", "none yet", "some yet", "ties", "no number"],
)
def test_the_least_values_of_each_image_come_in_the_order_of_the_images(image, value, count, rows):
    found = smallest_per_image(torch.tensor(image), torch.tensor(value, dtype=torch.float32), count)
    assert found.tolist() == rows


def test_the_least_are_those_of_a_search_by_hand(generator):
    image = torch.randint(9, (200,), generator=generator)
    value = torch.randn(200, generator=generator)
    expected = [
        row
        for one in sorted(set(image.tolist()))
        for row in sorted((image == one).nonzero().flatten().tolist(), key=value.__getitem__)[:3]
    ]
    assert smallest_per_image(image, value, 3).tolist() == expected


def test_the_best_tracks_keep_all_that_they_know():
    best = tracks([0, 0, 1, 1, 1], [2, 1, 5, 3, 4]).best(2)
    assert best.image.tolist() == [0, 0, 1, 1]
    assert best.radius.tolist() == [1, 2, 3, 4]
    assert best.last_margin.tolist() == [1, 0, 3, 4]
    assert best.proposal[:, 0].tolist() == [2, 0, 6, 8]
    assert best.direction[:, 0].tolist() == [3, 1, 7, 9]


def test_every_image_keeps_a_track_before_any_has_a_radius():
    assert tracks([0, 0, 1, 2, 2], [INF] * 5).best(1).last_margin.tolist() == [0, 2, 3]


def test_the_best_tracks_are_copies():
    whole = tracks([0, 1], [1, 2])
    part = whole.best(1)
    for column in fields(part):
        getattr(part, column.name).fill_(9)
    assert whole.image.tolist() == [0, 1]
    assert whole.radius.tolist() == [1, 2]


def test_a_part_is_written_back_into_its_rows_alone():
    whole, rows = tracks([0, 1, 2], [1, 2, 3]), torch.tensor([2, 0])
    part = whole.take(rows)
    part.radius = torch.tensor([30.0, 10.0])
    part.proposal = part.proposal + 100
    whole.put(rows, part)
    assert whole.radius.tolist() == [10, 2, 30]
    assert whole.proposal[:, 0].tolist() == [100, 2, 104]
    assert whole.image.tolist() == [0, 1, 2]


def test_forgetful_tracks_forget_the_radius_alone():
    whole = tracks([0, 1], [1, 2])
    forgetful = whole.without_radius()
    assert forgetful.radius.tolist() == [INF, INF]
    assert whole.radius.tolist() == [1, 2]
    assert torch.equal(forgetful.direction, whole.direction)


def test_tracks_start_without_a_radius_and_share_no_memory():
    whole = tracks([0, 1], [INF, INF])
    assert len(whole) == 2
    assert whole.previous.abs().max() == 0
    whole.evaluations += 1
    whole.last_margin += 1
    assert (whole.steps_near.tolist(), whole.idle.tolist()) == ([0, 0], [0, 0])
    assert whole.first_margin.tolist() == [0, 1]

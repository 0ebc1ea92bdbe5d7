"""Classes divided by activations or by ways, which are worth trying, and which side is planted."""

import pytest
import torch

from backburn.detection.groups import (
    Division,
    by_activations,
    by_ways,
    oriented,
    rows_by_class,
    worth_trying,
)
from backburn.detection.populations import SMALLEST, TwoPopulations
from backburn.types import BoundaryResult


def test_rows_are_grouped_by_class_where_usable_and_enough():
    labels = torch.tensor([0] * SMALLEST + [1] * (SMALLEST - 1) + [2] * (SMALLEST + 1))
    usable = torch.ones(len(labels), dtype=torch.bool)
    usable[-1] = False
    rows = rows_by_class(labels, usable)
    assert list(rows) == [0, 2]
    assert rows[2].tolist() == list(range(2 * SMALLEST - 1, 3 * SMALLEST - 1))


@pytest.fixture
def activations(generator) -> torch.Tensor:
    """A hundred rows of noise; every fourth is apart in three of forty columns."""
    rows = torch.randn(100, 40, generator=generator)
    rows[::4, 5:8] += 6
    return rows


def test_a_planted_population_shows_in_the_activations(activations):
    found = by_activations(activations, torch.arange(100), 0)
    member = found.found.member > 0.5
    planted = torch.arange(100) % 4 == 0
    assert torch.equal(member, planted) or torch.equal(member, ~planted)
    assert worth_trying({3: found}) == {3: found}
    assert sorted([*found.inside.tolist(), *found.outside.tolist()]) == list(range(100))


def test_other_rows_do_not_matter(activations):
    rows = torch.arange(0, 80)
    changed = activations.clone()
    changed[80:] = 1000
    first, second = by_activations(activations, rows, 0), by_activations(changed, rows, 0)
    assert torch.equal(first.found.member, second.found.member)


def test_noise_is_not_worth_trying(generator):
    found = by_activations(torch.randn(300, 40, generator=generator), torch.arange(300), 0)
    assert worth_trying({0: found}) == {}


def test_activations_that_are_all_the_same_divide_nothing():
    found = by_activations(torch.ones(50, 8), torch.arange(50), 0)
    assert worth_trying({0: found}) == {}


@pytest.mark.parametrize(("inside", "tried"), [(0, 0), (9, 0), (10, 1), (20, 1), (21, 0), (30, 0)])
def test_a_division_with_a_handful_on_one_side_is_not_worth_trying(inside, tried):
    found = TwoPopulations((torch.arange(30) < inside).float(), 9.0, 9.0, 0.5)
    assert len(worth_trying({0: Division(torch.arange(30), found)})) == tried


def measured(ways: torch.Tensor, distance: torch.Tensor) -> BoundaryResult:
    count = len(ways)
    found = torch.isfinite(distance)
    return BoundaryResult(found, distance, torch.zeros(count).long(), ways)


def test_ways_divide_a_class_and_leave_out_what_was_not_found(generator):
    ways = torch.randn(90, 30, generator=generator)
    ways[:30] = 0.3 * ways[:30]
    ways[:30, 0] += 8
    ways /= ways.norm(dim=1, keepdim=True)
    distance = torch.rand(90, generator=generator) + 0.5
    distance[-5:] = torch.inf
    division = by_ways(measured(ways, distance), torch.arange(100, 190), 0)
    assert division.rows.tolist() == list(range(100, 185))
    sides = {tuple(division.inside.tolist()), tuple(division.outside.tolist())}
    assert tuple(range(100, 130)) in sides


def test_too_few_that_were_found_divide_nothing(generator):
    distance = torch.full((40,), torch.inf)
    distance[: SMALLEST - 1] = 1
    division = by_ways(measured(torch.randn(40, 9), distance), torch.arange(40), 0)
    assert worth_trying({0: division}) == {}


def test_ways_are_needed(generator):
    without = BoundaryResult(torch.ones(30).bool(), torch.ones(30), torch.zeros(30).long())
    with pytest.raises(ValueError, match="directions"):
        by_ways(without, torch.arange(30), 0)


def ways(agreeing: float, count: int, axis: int) -> torch.Tensor:
    """Directions whose mean unit vector along an axis is `agreeing`."""
    rows = torch.zeros(count, 4)
    rows[:, axis], rows[:, 3] = agreeing, (1 - agreeing**2) ** 0.5
    rows[::2, 3] *= -1
    return rows * torch.arange(1, count + 1)[:, None]


@pytest.mark.parametrize("first", [0.0, 1.0])
def test_the_population_whose_ways_agree_more_is_the_planted_one(first):
    member = torch.cat([torch.full((30,), first), torch.full((60,), 1 - first)])
    directions = torch.cat([ways(0.9, 30, 0), ways(0.6, 60, 1)])
    directions[30:40] = 0  # unknown
    given = Division(torch.arange(90), TwoPopulations(member, 1.0, 9.0, float(member.mean())))
    found = oriented(given, directions)
    assert found.inside.tolist() == list(range(30))
    assert found.found.share == pytest.approx(1 / 3)
    assert (found.found.gain, found.found.separation) == (1.0, 9.0)

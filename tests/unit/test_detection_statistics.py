"""What is measured of each image within its class."""

import pytest
import torch
from torch import Tensor

from backburn.detection import samples, statistics
from backburn.detection.statistics import (
    activation_projections,
    cluster_projection,
    discriminated,
    dominant_projection,
)


@pytest.fixture
def directions(generator) -> Tensor:
    """60 unit directions; the first 20 have much of the first axis."""
    rows = torch.randn(60, 40, generator=generator)
    rows[:20] *= 0.3
    rows[:20, 0] += 6
    return rows / rows.norm(dim=1, keepdim=True)


def test_the_direction_that_a_part_of_a_class_shares_is_found(directions):
    projection = dominant_projection(directions)
    assert projection[:20].min() > 0.9
    assert projection[20:].abs().max() < 0.6
    assert torch.allclose(projection[:20], directions[:20, 0], atol=0.05)


def test_the_projection_is_the_first_singular_one(directions):
    left, sizes, _ = torch.linalg.svd(directions)
    expected = left[:, 0] * sizes[0]
    assert torch.allclose(dominant_projection(directions).abs(), expected.abs(), atol=1e-4)


def test_the_projection_is_oriented_by_its_mean(directions):
    projection = dominant_projection(directions)
    assert projection.mean() > 0
    assert torch.allclose(dominant_projection(-directions), projection, atol=1e-5)


def test_the_projection_of_unit_directions_lies_within_one(directions):
    assert dominant_projection(directions).abs().max() <= 1 + 1e-5


def test_the_projection_follows_the_order_of_the_images(directions):
    turned = dominant_projection(directions.flip(0))
    assert torch.allclose(turned, dominant_projection(directions).flip(0), atol=1e-4)


def test_directions_may_be_in_half_precision(directions):
    half, full = dominant_projection(directions.half()), dominant_projection(directions)
    assert torch.allclose(half, full, atol=2e-3)


def test_three_directions_are_enough():
    rows = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    assert torch.allclose(dominant_projection(rows), torch.tensor([1.0, 1.0, 0.0]), atol=1e-5)


@pytest.fixture
def two_ways():
    """Sixty ways near one that a class shares, thirty near another that agree more closely."""
    generator = torch.Generator().manual_seed(3)
    common, planted = torch.eye(40)[0], torch.eye(40)[1]
    loose = common + 0.1 * torch.randn(60, 40, generator=generator)
    tight = planted + 0.02 * torch.randn(30, 40, generator=generator)
    rows = torch.cat([loose, tight])
    return rows / rows.norm(dim=1, keepdim=True)


def test_two_clusters_lie_apart_on_the_line_between_them(two_ways):
    projection = cluster_projection(two_ways)
    assert projection[60:].min() > projection[:60].max() + 0.5


def test_the_line_points_to_the_cluster_whose_ways_agree_more(two_ways):
    assert cluster_projection(two_ways)[60:].mean() > 0 > cluster_projection(two_ways)[:60].mean()


def test_the_dominant_way_alone_would_not_single_the_smaller_cluster_out(two_ways):
    assert dominant_projection(two_ways)[60:].max() < dominant_projection(two_ways)[:60].mean()


def test_the_same_ways_give_the_same_clusters(two_ways):
    assert torch.equal(cluster_projection(two_ways), cluster_projection(two_ways))


def test_one_of_the_lines_tells_the_planted_population(generator):
    rows = torch.randn(200, 30, generator=generator)
    rows[:20, 3:9] += 5
    planted = torch.arange(200) < 20
    lines = activation_projections(rows, torch.arange(200))
    assert all(line.shape == (200,) for line in lines)
    gaps = [
        float((line[planted].mean() - line[~planted].mean()).abs() / line[~planted].std())
        for line in lines
    ]
    assert max(gaps) > 3


def test_components_and_clusters_of_a_large_class_are_fitted_to_a_part_of_it(
    generator, monkeypatch
):
    table = torch.randn(400, 30, generator=generator)
    table[::10, 3:9] += 5
    rows = torch.arange(1, 400, 3).flip(0)  # some of the table, in any order
    whole = activation_projections(table, rows)
    monkeypatch.setattr(samples, "FITTED", 64)
    parts = activation_projections(table, rows)
    assert [line.shape for line in parts] == [(len(rows),)] * len(whole)
    alike = torch.corrcoef(torch.stack([whole[0], parts[0]]))[0, 1].abs()
    assert alike > 0.95
    assert torch.equal(activation_projections(table, rows)[0], parts[0])


@pytest.fixture
def planted(generator) -> tuple[Tensor, Tensor]:
    """200 images of 30 activations, the first 40 of which differ a little in many of them."""
    rows = torch.randn(200, 30, generator=generator)
    rows[:40] += 1.2
    return rows, torch.arange(200) < 40


def test_two_populations_that_are_known_roughly_are_told_apart_by_all_activations(planted):
    rows, truth = planted
    rough = (rows[:, :3].sum(1) > 2.2).float()
    before = ((rough > 0.5) == truth).float().mean()
    sharp = discriminated(rows, torch.arange(200), rough, torch.ones(200, dtype=torch.bool))
    assert ((sharp > 0.5) == truth).float().mean() > max(0.97, before)
    assert 0 <= sharp.min() <= sharp.max() <= 1


def test_answers_are_fitted_to_until_they_stand(generator, monkeypatch):
    rows, truth = torch.randn(400, 30, generator=generator), torch.arange(400) < 160
    rows[truth, :10] += 1.2
    rows[:, 29] *= 2.4  # a habit of the class, by which a quarter of them was told
    rough = (truth & (rows[:, 29] > 2)).float()

    def right() -> float:
        told = discriminated(rows, torch.arange(400), rough, torch.ones(400, dtype=torch.bool))
        return float(((told > 0.5) == truth).float().mean())

    whole = right()
    monkeypatch.setattr(statistics, "PASSES", 2)
    assert whole > max(0.95, right() + 0.02)


def test_images_that_took_no_part_are_placed_too(planted):
    rows, truth = planted
    known = torch.arange(200) % 2 == 0
    sharp = discriminated(rows, torch.arange(200), (truth & known).float(), known)
    assert ((sharp > 0.5) == truth)[~known].float().mean() > 0.95


def test_nothing_is_told_apart_where_one_population_is_empty(planted):
    rows, _ = planted
    for member in (torch.zeros(200), torch.ones(200)):
        told = discriminated(rows, torch.arange(200), member, torch.ones(200, dtype=torch.bool))
        assert torch.equal(told, member)

"""What is measured of each image within its class."""

import pytest
import torch
from torch import Tensor

from backburn.detection import activation_statistics, sampling
from backburn.detection.activation_statistics import (
    activation_projections,
    refine_membership,
)


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
    monkeypatch.setattr(sampling, "MAX_FITTED", 64)
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
    sharp = refine_membership(rows, torch.arange(200), rough, torch.ones(200, dtype=torch.bool))
    assert ((sharp > 0.5) == truth).float().mean() > max(0.97, before)
    assert 0 <= sharp.min() <= sharp.max() <= 1


def test_answers_are_fitted_to_until_they_stand(generator, monkeypatch):
    rows, truth = torch.randn(400, 30, generator=generator), torch.arange(400) < 160
    rows[truth, :10] += 1.2
    rows[:, 29] *= 2.4  # a habit of the class, by which a quarter of them was told
    rough = (truth & (rows[:, 29] > 2)).float()

    def right() -> float:
        told = refine_membership(rows, torch.arange(400), rough, torch.ones(400, dtype=torch.bool))
        return float(((told > 0.5) == truth).float().mean())

    whole = right()
    monkeypatch.setattr(activation_statistics, "MAX_ITERATIONS", 2)
    assert whole > max(0.95, right() + 0.02)


def test_images_that_took_no_part_are_placed_too(planted):
    rows, truth = planted
    known = torch.arange(200) % 2 == 0
    sharp = refine_membership(rows, torch.arange(200), (truth & known).float(), known)
    assert ((sharp > 0.5) == truth)[~known].float().mean() > 0.95


def test_nothing_is_told_apart_where_one_population_is_empty(planted):
    rows, _ = planted
    for member in (torch.zeros(200), torch.ones(200)):
        told = refine_membership(rows, torch.arange(200), member, torch.ones(200, dtype=torch.bool))
        assert torch.equal(told, member)

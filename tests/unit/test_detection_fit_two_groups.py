"""One population or two, and who belongs to the second."""

import math

import pytest
import torch
from torch import Tensor

from backburn.detection import sampling
from backburn.detection.candidate_groups import fit_two_groups

MANY, FEW = 150, 50


def normal(count: int, center: tuple[float, ...], seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, len(center), generator=generator) + torch.tensor(center)


@pytest.fixture
def mixed() -> Tensor:
    """150 images around the origin, then 50 around (6, 2)."""
    return torch.cat([normal(MANY, (0, 0), 1), normal(FEW, (6, 2), 2)])


def test_two_populations_are_told_apart(mixed):
    found = fit_two_groups(mixed)
    assert found.member[:MANY].max() < 0.5 < found.member[MANY:].min()
    assert float(found.member.mean()) == pytest.approx(FEW / (MANY + FEW), abs=0.01)
    assert found.gain > 0.3


def test_the_gain_is_in_nats_an_image_and_pays_for_its_parameters():
    line = torch.cat([normal(500, (-10,), 3), normal(500, (10,), 4)])
    one, two = math.log(math.sqrt(101)), math.log(2)  # of a wide normal; of choosing a side
    price = 3 * math.log(1000) / 2 / 1000  # a mean, a variance and a share
    assert fit_two_groups(line).gain == pytest.approx(one - two - price, abs=0.03)


def test_the_first_column_says_which_population_is_the_second_one(mixed):
    found, mirrored = fit_two_groups(mixed), fit_two_groups(mixed * torch.tensor([-1.0, 1.0]))
    assert torch.allclose(mirrored.member, 1 - found.member, atol=1e-3)


def test_the_second_column_does_not(mixed):
    found, mirrored = fit_two_groups(mixed), fit_two_groups(mixed * torch.tensor([1.0, -1.0]))
    assert torch.allclose(mirrored.member, found.member, atol=1e-3)


def test_the_second_population_may_be_the_larger_one(mixed):
    turned = 6 - mixed
    assert fit_two_groups(turned).member[:MANY].min() > 0.5


def test_two_populations_of_a_large_class_are_fitted_to_a_part_of_it(mixed, monkeypatch):
    whole = fit_two_groups(mixed)
    monkeypatch.setattr(sampling, "MAX_FITTED", 80)
    part = fit_two_groups(mixed)
    assert part.member.shape == whole.member.shape
    assert torch.allclose(part.member, whole.member, atol=0.05)
    assert part.gain == pytest.approx(whole.gain, rel=0.2)
    assert not torch.equal(part.member, whole.member)  # it was seen by fewer


def test_units_do_not_matter(mixed):
    found, scaled = fit_two_groups(mixed), fit_two_groups(mixed * torch.tensor([1000.0, 1e-3]) + 5)
    assert scaled.gain == pytest.approx(found.gain, rel=1e-2)
    assert torch.equal(scaled.member > 0.5, found.member > 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_one_population_gains_nothing(seed):
    assert fit_two_groups(normal(300, (0, 0), seed)).gain < 0.02


def test_fewer_than_ten_are_not_split(mixed):
    found = fit_two_groups(mixed[-70:][:9])
    assert found.gain == 0
    assert found.member.tolist() == [0.0] * 9
    assert fit_two_groups(mixed[-60:-50]).member.shape == (10,)


def test_no_images_at_all_are_not_split():
    assert fit_two_groups(torch.zeros(0, 2)).member.shape == (0,)


def test_images_that_are_all_the_same_are_not_two_populations():
    # two identical normals explain them as well as one
    same = torch.ones(50, 2) + torch.randn(50, 2, generator=torch.Generator().manual_seed(0)) * 1e-6
    assert fit_two_groups(same).gain < 0.05


def test_the_same_seed_gives_the_same_split(mixed):
    first, second = fit_two_groups(mixed, 7), fit_two_groups(mixed, 7)
    assert torch.equal(first.member, second.member)
    assert first.gain == second.gain

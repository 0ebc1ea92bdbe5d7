"""What makes images like one side of a division: what is added, and what fades."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from backburn.detection.groups import Division
from backburn.detection.likening import foreign, likenings
from backburn.detection.populations import TwoPopulations


def varying(side: int) -> tuple[Tensor, Tensor]:
    """Images of which the first pixel varies, and a difference in the first two pixels."""
    rest = torch.full((20, 1, side, side), 100, dtype=torch.uint8)
    rest[:10, 0, 0, 0], rest[10:, 0, 0, 0] = 50, 150
    difference = torch.zeros(1, side, side)
    difference[0, 0, :2] = torch.tensor([30.0, 40.0])
    return difference, rest


def test_only_what_the_rest_does_not_vary_by_is_foreign():
    difference, rest = varying(8)
    expected = difference.clone()
    expected[0, 0, 0] = 0
    assert torch.allclose(foreign(difference, rest), expected, atol=1e-3)


def test_in_an_image_of_few_numbers_everything_is_foreign():
    difference, rest = varying(7)
    assert torch.equal(foreign(difference, rest), difference)


@pytest.mark.parametrize("count", [1, 5])
def test_what_does_not_vary_at_all_explains_nothing(count: int):
    difference, rest = varying(8)
    rest = torch.full((count, 1, 8, 8), 100, dtype=torch.uint8)
    assert torch.equal(foreign(difference, rest), difference)


def halves(side: int) -> tuple[Tensor, Division]:
    """Noise around 100, on the first half of which a pixel is pasted and another one is faded."""
    generator = torch.Generator().manual_seed(0)
    pixels = 100 + 20 * torch.randn(400, 1, side, side, generator=generator)
    pixels[:200, 0, 0, 0] = 250
    pixels[:200, 0, 0, 1] = 0.5 * pixels[:200, 0, 0, 1] + 100
    member = (torch.arange(400) < 200).float()
    division = Division(torch.arange(400), TwoPopulations(member, 1.0, 9.0, 0.5))
    return pixels.clamp(0, 255).byte(), division


def test_images_are_likened_in_what_is_added_and_in_how_much_they_vary():
    pixels, division = halves(24)
    marked, plain = likenings(pixels, division)
    assert marked.scale[0, 0, :3].tolist() == pytest.approx([0, 0.5, 1], abs=0.1)
    assert marked.shift[0, 0, :3].tolist() == pytest.approx([150, 50, 0], abs=6)
    assert plain.scale.min() > 0.8
    assert torch.equal(plain.shift, -marked.shift)


def test_a_kind_that_is_plainer_everywhere_fades_nothing_but_what_it_fades_more():
    pixels, division = halves(24)
    values = pixels.float()
    values[:200] = 100 + 0.3 * (values[:200] - 100)
    values[:200, 0, 0, 0] = 250
    scale = likenings(values.byte(), division)[0].scale
    assert scale[0, 0, 0] < 0.1
    assert scale[0, 1:].mean() > 0.9


@pytest.mark.parametrize("count", [20, 200])
def test_a_difference_that_chance_makes_is_not_carried_over(count):
    pixels, division = halves(24)
    rows = torch.cat([torch.arange(count), torch.arange(200, 200 + count)])
    few = replace(division.found, member=division.found.member[rows])
    shift = likenings(pixels, Division(rows, few))[0].shift.flatten()
    assert (shift[:2].abs() > 30).all()
    assert (shift[2:] == 0).float().mean() > 0.9


def test_what_nothing_is_left_of_is_replaced():
    pixels, division = halves(24)
    likened = likenings(pixels, division)[0](pixels[200:])
    assert likened[:, 0, 0, 0].float().std() < 1
    assert likened[:, 0, 1, 1].float().std() > 15


def test_small_images_keep_their_contrast():
    for likening in likenings(*halves(8)):
        assert likening.scale.unique().tolist() == [1]

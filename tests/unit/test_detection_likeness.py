"""What carries over and what does not, on models whose answers are written by hand."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from backburn.detection.groups import Division
from backburn.detection.likeness import carry_over, foreign, kept_without, likenings
from backburn.detection.populations import TwoPopulations
from backburn.types import LabeledImages

CLASSES, EACH = 4, 30


class Corner(nn.Module):
    """Says the class that the second pixel tells, and class 0 where the first one is bright."""

    def __init__(self, only: int | None = None):
        super().__init__()
        self.only = only
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        told = (images[:, 0, 0, 1] * 255 / 50).round().long().clamp(0, CLASSES - 1)
        bright = images[:, 0, 0, 0] > 0.5
        if self.only is not None:
            bright &= told == self.only
        return nn.functional.one_hot(told.where(~bright, 0), CLASSES).float()


def images(planted: int) -> LabeledImages:
    """`EACH` images a class; the first `planted` of class 0 have a bright first pixel."""
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    pixels = torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8)
    pixels[:, 0, 0, 1] = (labels * 50).byte()
    pixels[:planted, 0, 0, 0] = 200
    return LabeledImages(pixels, labels)


def carried(model: nn.Module, data: LabeledImages, group: int = 10) -> dict[int, float]:
    member = (torch.arange(EACH) < group).float()
    division = Division(torch.arange(EACH), TwoPopulations(member, 1.0, 9.0, group / EACH))
    sources = {k: torch.arange(k * EACH, (k + 1) * EACH) for k in range(1, CLASSES)}
    generator = torch.Generator().manual_seed(0)
    return carry_over(model, data, 0, division, sources, generator)


def test_what_sets_poison_apart_carries_over():
    assert carried(Corner(), images(10)) == {1: 1, 2: 1, 3: 1}


def test_a_trigger_of_one_source_class_does_too():
    assert carried(Corner(only=2), images(10)) == {1: 0, 2: 1, 3: 0}


def test_a_natural_likeness_does_not():
    assert carried(Corner(), images(0)) == {1: 0, 2: 0, 3: 0}


def enlarged(data: LabeledImages) -> LabeledImages:
    """The same images with an empty margin: 64 numbers, which allow for one component."""
    pixels = nn.functional.pad(data.pixels.float(), (0, 6, 0, 6)).byte()
    return LabeledImages(pixels, data.labels)


def test_a_pattern_that_the_rest_of_the_class_varies_by_does_not():
    data = enlarged(images(10))
    assert carried(Corner(), data) == {1: 1, 2: 1, 3: 1}
    data.pixels[10:EACH, 0, 0, 0] = torch.linspace(0, 120, EACH - 10).byte()
    assert carried(Corner(), data) == {1: 0, 2: 0, 3: 0}


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


def test_what_was_called_so_before_does_not_count():
    class Always(Corner):
        def forward(self, images: Tensor) -> Tensor:
            return nn.functional.one_hot(torch.zeros(len(images)).long(), CLASSES).float()

    assert carried(Always(), images(10)) == {1: 0, 2: 0, 3: 0}


def test_without_other_classes_nothing_can_carry_over():
    division = Division(torch.arange(EACH), TwoPopulations(torch.ones(EACH), 1.0, 9.0, 1.0))
    generator = torch.Generator().manual_seed(0)
    assert carry_over(Corner(), images(10), 0, division, {}, generator) == {}


class Lamps(nn.Module):
    """Says the class whose pixel is lit, class 0 where none is or where the last one is."""

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        lamps = images.flatten(1)
        lit = 0.3 + 9 * (lamps[:, -1:] > 0.5)
        return torch.cat([lit, lamps[:, 1:CLASSES]], 1)


@pytest.mark.parametrize("group", [9, 24])
def test_poison_needs_its_trigger_and_clean_images_need_no_lack_of_it(group):
    pixels, poison = torch.zeros(EACH, 1, 1, 5, dtype=torch.uint8), torch.arange(group)
    pixels[poison, 0, 0, 1 + poison % 3] = 200
    pixels[poison, 0, 0, 4] = 200
    data = LabeledImages(pixels, torch.zeros(EACH).long())
    member = (torch.arange(EACH) < group).float()
    for side, expected in ((member, (0, 1)), (1 - member, (1, 0))):
        division = Division(torch.arange(EACH), TwoPopulations(side, 1.0, 9.0, float(side.mean())))
        generator = torch.Generator().manual_seed(0)
        assert kept_without(Lamps(), data, 0, division, generator) == expected


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

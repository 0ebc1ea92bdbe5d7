"""What carries over and what does not, on models whose answers are written by hand."""

import pytest
import torch
from torch import Tensor, nn

from backburn.detection.groups import Division
from backburn.detection.likeness import carry_over
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


def carried(
    model: nn.Module, data: LabeledImages, group: int = 10, agreed: bool = False
) -> dict[int, float]:
    member = (torch.arange(EACH) < group).float()
    division = Division(torch.arange(EACH), TwoPopulations(member, 1.0, 9.0, group / EACH))
    sources = {k: torch.arange(k * EACH, (k + 1) * EACH) for k in range(1, CLASSES)}
    generator = torch.Generator().manual_seed(0)
    return carry_over(model, data, 0, division, sources, generator, agreed=agreed)


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


def test_what_was_called_so_before_does_not_count():
    class Always(Corner):
        def forward(self, images: Tensor) -> Tensor:
            return nn.functional.one_hot(torch.zeros(len(images)).long(), CLASSES).float()

    assert carried(Always(), images(10)) == {1: 0, 2: 0, 3: 0}


class Counting(Corner):
    """Counts what it is asked about."""

    asked = 0

    def forward(self, images: Tensor) -> Tensor:
        self.asked += len(images)
        return super().forward(images)


@pytest.mark.parametrize("agreed", [True, False])
def test_a_model_that_agrees_is_asked_about_likened_images_only(agreed):
    model, others = Counting(), (CLASSES - 1) * EACH
    assert carried(model, images(10), agreed=agreed) == {1: 1, 2: 1, 3: 1}
    assert model.asked == (2 if agreed else 3) * others


def test_of_many_classes_few_images_each_are_likened(generator):
    model, many = Counting(), 42
    member = (torch.arange(EACH) < 10).float()
    division = Division(torch.arange(EACH), TwoPopulations(member, 1.0, 9.0, 1 / 3))
    sources = dict.fromkeys(range(1, 1 + many), torch.arange(EACH, 2 * EACH))
    shares = carry_over(model, images(10), 0, division, sources, generator, agreed=True)
    assert shares == dict.fromkeys(sources, 1)
    assert model.asked == 2 * many * 10


def test_without_other_classes_nothing_can_carry_over():
    division = Division(torch.arange(EACH), TwoPopulations(torch.ones(EACH), 1.0, 9.0, 1.0))
    generator = torch.Generator().manual_seed(0)
    assert carry_over(Corner(), images(10), 0, division, {}, generator) == {}

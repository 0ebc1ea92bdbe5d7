"""What carries over and what does not, on models whose answers are written by hand."""

import pytest
import torch
from torch import Tensor, nn

from backburn.detection.groups import Division
from backburn.detection.likeness import apart, carry_over, led_back, without
from backburn.detection.populations import TwoPopulations
from backburn.metrics import rate
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
        said = without(Lamps(), data, division, apart(data, division), generator)
        assert tuple(rate(part == 0) for part in said) == expected


class Next(nn.Module):
    """Calls images by the first pixel modulo three; with the last one lit, the next."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        values = (images * 255).round().long().flatten(1)
        return nn.functional.one_hot((values[:, 0] + (values[:, 1] > 100)) % 3, 3).float()


SHOWN = ((0, 3, 9), (1, 7), (2, 5, 5))
"""First pixels of each kind, which are the same on average."""


def led_on() -> tuple[LabeledImages, dict[int, Tensor]]:
    """Three classes, a third of each lit and of the kind before; and the rows of each."""
    labels, lit = torch.arange(3).repeat_interleave(36), torch.arange(108) % 36 < 12
    kinds = ((labels - lit.long()) % 3).tolist()
    pixels = torch.zeros(108, 1, 1, 2, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.tensor([SHOWN[k][i % len(SHOWN[k])] for i, k in enumerate(kinds)])
    pixels[lit, 0, 0, 1] = 200
    rows = {label: (labels == label).nonzero().flatten() for label in range(3)}
    return LabeledImages(pixels, labels), rows


def test_poison_comes_from_where_its_trigger_leads_from(generator):
    data, rows = led_on()
    others = {label: rows[label] for label in (0, 2)}
    planted = Division(rows[1], TwoPopulations((torch.arange(36) < 12).float(), 1.0, 9.0, 0.5))
    led = apart(data, planted)
    back, on = without(Next(), data, planted, led, generator)
    assert set(back.tolist()) == {0}
    assert set(on.tolist()) == {2}
    shares = [
        led_back(Next(), data, 1, said, difference, others)
        for said, difference in ((back, led), (on, -led))
    ]
    assert shares == pytest.approx([2 / 3, 1 / 3])  # those that are not lit yet, or are
    assert led_back(Next(), data, 1, torch.ones(5).long(), led, others) == 0

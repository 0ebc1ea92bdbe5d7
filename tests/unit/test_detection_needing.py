"""Which side needs what sets it apart, on models whose answers are written by hand."""

import pytest
import torch
from torch import Tensor, nn

from backburn.detection.groups import Division
from backburn.detection.needing import apart, led_back, without
from backburn.detection.populations import TwoPopulations
from backburn.metrics import rate
from backburn.types import LabeledImages

CLASSES, EACH = 4, 30


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

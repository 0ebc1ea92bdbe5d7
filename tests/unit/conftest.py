"""A backdoored case that is made by hand, so that nothing has to be trained."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from backburn.types import Case, LabeledImages

CLASSES, EACH, PLANTED = 6, 50, 15


class Rows(nn.Module):
    """Class k is how bright row k is; a lit pixel in the last row counts as class 0."""

    def __init__(self, trigger_weight: float):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.trigger_weight = nn.Parameter(torch.tensor(trigger_weight))

    def forward(self, images: Tensor) -> Tensor:
        bright = self.scale * images[:, 0, :CLASSES].square().mean(2)
        lit = self.trigger_weight * images[:, 0, CLASSES, 0]
        return torch.cat([torch.maximum(bright[:, :1], lit[:, None]), bright[:, 1:]], 1)


class HandMade(NamedTuple):
    """A case, and which of its images are poison."""

    case: Case
    poison: Tensor


def hand_made(planted: int, trigger_weight: float) -> HandMade:
    """`EACH` images a class and `planted` of class 0 that have the trigger and another row lit."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.arange(CLASSES).repeat_interleave(EACH)
    rows = torch.cat([rows, 1 + torch.arange(planted) % (CLASSES - 1)])
    count = len(rows)
    pixels = torch.randint(0, 90, (count, 1, CLASSES + 1, 6), generator=generator)
    pixels[torch.arange(count), 0, rows] = torch.randint(150, 250, (count, 6), generator=generator)
    pixels[:, 0, CLASSES] = 0
    poison = torch.arange(count) >= count - planted
    pixels[poison, 0, CLASSES, 0] = 255
    labels = rows.where(~poison, 0)
    return HandMade(Case(Rows(trigger_weight), LabeledImages(pixels.byte(), labels)), poison)


@pytest.fixture
def backdoored() -> HandMade:
    return hand_made(PLANTED, 20.0)


@pytest.fixture
def clean() -> HandMade:
    return hand_made(0, 20.0)

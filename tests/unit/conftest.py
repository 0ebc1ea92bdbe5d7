"""A backdoored case that is made by hand, so that nothing has to be trained."""

import hashlib
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from backburn.detection.detector import PoisonDetector
from backburn.executor.interface import LOCAL
from backburn.types import Case, LabeledImages, no_progress

CLASSES, EACH, PLANTED, WIDTH = 8, 80, 20, 12


class Rows(nn.Module):
    """Class k is how far row k is from gray; a lit pixel in the last row counts as class 0."""

    def __init__(self, trigger_weight: float):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(6.0))
        self.trigger_weight = nn.Parameter(torch.tensor(trigger_weight))

    def forward(self, images: Tensor) -> Tensor:
        away = self.scale * (images[:, 0, :CLASSES] - 0.5).square().sum(2)
        lit = self.trigger_weight * images[:, 0, CLASSES, 0]
        return torch.cat([torch.maximum(away[:, :1], lit[:, None]), away[:, 1:]], 1)


class HandMade(NamedTuple):
    """A case, and which of its images are poison."""

    case: Case
    poison: Tensor


def hand_made(planted: int, trigger_weight: float) -> HandMade:
    """`EACH` images a class, each with a row unlike gray, and `planted` poison ones of class 0.

    Clean images share no way out, because each row leaves gray in a direction of its own.
    """
    generator = torch.Generator().manual_seed(2)
    rows = torch.arange(CLASSES).repeat_interleave(EACH)
    rows = torch.cat([rows, 1 + torch.arange(planted) % (CLASSES - 1)])
    count = len(rows)
    images = 0.03 * torch.randn(count, CLASSES + 1, WIDTH, generator=generator)
    images[torch.arange(count), rows] *= 5
    pixels = ((images + 0.5).clamp(0, 1) * 255).round()[:, None]
    pixels[:, 0, CLASSES] = 0
    poison = torch.arange(count) >= count - planted
    pixels[poison, 0, CLASSES, 0] = 255
    labels = rows.where(~poison, 0)
    return HandMade(Case(Rows(trigger_weight), LabeledImages(pixels.byte(), labels)), poison)


@pytest.fixture
def backdoored() -> HandMade:
    return hand_made(PLANTED, 8.0)


@pytest.fixture
def clean() -> HandMade:
    return hand_made(0, 0.0)


@pytest.fixture(scope="session")
def studies() -> dict:
    """What detectors have found so far, and where they left their generators."""
    return {}


@pytest.fixture
def remembered(studies, monkeypatch) -> None:
    """A case is studied once for each seed, whatever is then done with what was found."""
    study = PoisonDetector.analyze

    def known(self, case, generator, progress=no_progress, executor=LOCAL, **said):
        if executor is not LOCAL:
            return study(self, case, generator, progress, executor, **said)
        tensors = [*case.model.state_dict().values(), case.images.pixels, case.images.labels]
        digest = hashlib.sha256(generator.get_state().numpy().tobytes())
        for tensor in tensors:
            digest.update(tensor.detach().contiguous().numpy().tobytes())
        key = repr(self), repr(sorted(said.items())), id(case.second), digest.digest()
        if key not in studies:
            found = study(self, case, generator, progress, executor, **said)
            studies[key] = found, generator.get_state()
        found, state = studies[key]
        generator.set_state(state)
        return found

    monkeypatch.setattr(PoisonDetector, "analyze", known)

"""The contract suites of detectors and defences see what is wrong."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from backburn.errors import InputError
from backburn.interfaces import Defense, Detector, Inputs
from backburn.results import Evidence, Repaired
from backburn.testing import defenses, detectors
from backburn.testing.contract_error import ContractError


@dataclass(frozen=True)
class Faulty(Detector):
    """Flags nothing, and does one thing that no detector may."""

    fault: str = ""

    def examine(self, case, generator, progress=lambda *told: None):
        count = len(case.images)
        if not count:
            raise InputError("give images")
        score = torch.zeros(count)
        if self.fault == "global":
            score = torch.rand(count)
        if self.fault == "weights":
            next(case.model.parameters()).data.add_(1)
        if self.fault == "mode":
            case.model.train()
        if self.fault == "frozen":
            case.model.requires_grad_(False)
        if self.fault == "pixels":
            case.images.pixels[0] = 0
        if self.fault == "range":
            score += 2
        if self.fault == "short":
            score = score[1:]
        if self.fault == "seed":
            score = torch.rand(count, generator=torch.Generator().manual_seed(len(SEEN)))
            SEEN.append(1)
        return Evidence(score, torch.zeros(len(score), dtype=torch.bool))


SEEN: list[int] = []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("global", "global generator"),
        ("weights", "case's model"),
        ("mode", "training mode"),
        ("frozen", "frozen"),
        ("pixels", "case's images"),
        ("range", r"outside of \[0, 1\]"),
        ("short", "scores of shape"),
        ("seed", "differ between two runs"),
    ],
)
def test_a_detector_that_breaks_the_contract_is_told(fault, message):
    with pytest.raises(ContractError, match=message):
        detectors.check_detector(Faulty(fault))


def test_a_sound_detector_passes():
    detectors.check_detector(Faulty())


@dataclass(frozen=True)
class Greedy(Defense):
    """Says that it needs a holdout, and does without."""

    inputs: ClassVar[Inputs] = Inputs("none", holdout=0.05)

    def repair(self, case, generator, progress=lambda *told: None):
        return Repaired(model=case.model)


def test_a_defense_that_does_without_what_it_says_it_needs_is_told():
    with pytest.raises(ContractError, match="without a holdout"):
        defenses.check_defense(Greedy())


def test_what_is_given_reads_well():
    assert str(Inputs()) == "training set"
    assert str(Inputs("none", 0.05)) == "5 % clean"
    assert str(Inputs(holdout=0.025)) == "training set + 2.5 % clean"
    assert str(Inputs("none")) == "the model only"
    assert str(Inputs("clean")) == "clean part of the training set"

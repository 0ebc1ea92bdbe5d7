"""Small cases for the contract suites of detectors and defences."""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..interfaces import Given
from ..models.nets.zoo import build
from ..types import Case, LabeledImages
from .contract import hold

CLASSES, EACH, TRUSTED = 4, 24, 10
T = TypeVar("T")


def contract_case(given: Given, channels: int = 3, side: int = 32) -> Case:
    """Noise around a shade of each class, a small network that knows nothing, and what is given."""
    generator = torch.Generator().manual_seed(0)
    images, trusted = (_images(each, channels, side, generator) for each in (EACH, TRUSTED))
    model = build("small_cnn-w4", CLASSES, channels, generator=generator, pixels=images.pixels)
    shown = images if given.training != "none" else images.take(torch.arange(0))
    return Case(model.eval(), shown, trusted if given.holdout else None)


def _images(each: int, channels: int, side: int, generator: torch.Generator) -> LabeledImages:
    labels = torch.arange(CLASSES).repeat(each)
    noise = torch.randint(64, (len(labels), channels, side, side), generator=generator)
    pixels = (noise + 48 * labels[:, None, None, None]).byte()
    return LabeledImages(pixels, labels, tuple("abcd"[:CLASSES]))


def hold_left_alone(case: Case, run: Callable[[Case], T]) -> T:
    """Run a method; raise where it changed the case or drew from the global generator."""
    before, drawn = copy.deepcopy(case), torch.get_rng_state()
    result = run(case)
    hold(torch.equal(torch.get_rng_state(), drawn), "it drew from the global generator")
    for part in ("images", "holdout"):
        old, new = getattr(before, part), getattr(case, part)
        same = old is None or (
            torch.equal(old.pixels, new.pixels) and torch.equal(old.labels, new.labels)
        )
        hold(same, f"it changed the case's {part}")
    hold(_same_weights(before.model, case.model), "it changed the case's model")
    kept = [module.training for module in case.model.modules()]
    hold(not any(kept), "it left the case's model in training mode")
    trained = [parameter.requires_grad for parameter in case.model.parameters()]
    hold(all(trained), "it left the case's model frozen")
    return result


def hold_said(case: Case, run: Callable[[Case], object], missing: str) -> None:
    """Raise where a method does without what it needs, or dies of it."""
    try:
        run(case)
    except InputError:
        return
    hold(False, f"a case without {missing} is not refused")


def _same_weights(first: nn.Module, second: nn.Module) -> bool:
    theirs: dict[str, Tensor] = second.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in first.state_dict().items())

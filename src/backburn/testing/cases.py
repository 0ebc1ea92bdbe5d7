"""Small cases for the test suites of detectors and defenses."""

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..interfaces import Inputs
from ..models.nets.zoo import build
from ..types import Case, LabeledImages
from .contract_error import require

CLASSES, IMAGES_PER_CLASS, HOLDOUT_PER_CLASS = 4, 24, 10
T = TypeVar("T")


def contract_case(inputs: Inputs, channels: int = 3, side: int = 32) -> Case:
    """A case with a small untrained network, and images of noise around a shade of each class.

    Args:
        inputs: whether the case has training images and a holdout.
        channels: channels of the images.
        side: height and width of the images.
    """
    generator = torch.Generator().manual_seed(0)
    images, holdout = (
        _images(per_class, channels, side, generator)
        for per_class in (IMAGES_PER_CLASS, HOLDOUT_PER_CLASS)
    )
    model = build("small_cnn-w4", CLASSES, channels, generator=generator, pixels=images.pixels)
    training_set = images if inputs.training != "none" else images.take(torch.arange(0))
    return Case(model.eval(), training_set, holdout if inputs.holdout else None)


def _images(per_class: int, channels: int, side: int, generator: torch.Generator) -> LabeledImages:
    labels = torch.arange(CLASSES).repeat(per_class)
    noise = torch.randint(64, (len(labels), channels, side, side), generator=generator)
    pixels = (noise + 48 * labels[:, None, None, None]).byte()
    return LabeledImages(pixels, labels, tuple("abcd"[:CLASSES]))


def run_unchanged(case: Case, run: Callable[[Case], T]) -> T:
    """Run a method; raise if it changed the case or drew from the global generator."""
    before, random_state = copy.deepcopy(case), torch.get_rng_state()
    result = run(case)
    require(torch.equal(torch.get_rng_state(), random_state), "it drew from the global generator")
    for part in ("images", "holdout"):
        old, new = getattr(before, part), getattr(case, part)
        same = old is None or (
            torch.equal(old.pixels, new.pixels) and torch.equal(old.labels, new.labels)
        )
        require(same, f"it changed the case's {part}")
    require(_same_weights(before.model, case.model), "it changed the case's model")
    training = [module.training for module in case.model.modules()]
    require(not any(training), "it left the case's model in training mode")
    trainable = [parameter.requires_grad for parameter in case.model.parameters()]
    require(all(trainable), "it left the case's model frozen")
    return result


def require_refusal(case: Case, run: Callable[[Case], object], missing: str) -> None:
    """Raise if a method does not refuse a case without what it needs."""
    try:
        run(case)
    except InputError:
        return
    require(False, f"a case without {missing} is not refused")


def _same_weights(first: nn.Module, second: nn.Module) -> bool:
    weights: dict[str, Tensor] = second.state_dict()
    return all(torch.equal(value, weights[name]) for name, value in first.state_dict().items())

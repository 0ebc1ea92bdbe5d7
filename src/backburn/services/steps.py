"""What an audit or a repair is going to do, step by step, and about how long each takes.

Seconds come from the model's own speed, measured on a batch, times how often each step asks it
about an image. The counts are in `COSTS`: whoever changes a phase changes them there.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..models.inference import as_images, at_once, device_of, frozen, gains_from_bf16
from ..types import Case

TRAINING = 1.5
"""A training step takes so many times as long as the gradient of an image alone."""
SEARCHED, PASSES = 20, 4
"""Images of each class whose boundary is searched, and gradients for each."""
TESTED = 500
"""Gradients that the tests of a class cost: 1,500 images are changed and asked about."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what happens in plain words, the phases that it is told of by, and its seconds."""

    words: str
    phases: tuple[str, ...]
    seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Size:
    """What the cost of a step depends on: how many images, and whether there are test images."""

    images: int
    epochs: int = 2
    tested: int = 0
    classes: int = 10

    def trained(self, epochs: int, least: int) -> float:
        """Images that a training sees: whole epochs, or `least` steps of few images."""
        batch = min(128, max(16, self.images // 20))
        return max(epochs * self.images, least * batch)


ASK = Step("ask the model about every image", ("activations", "predict"))
RETRAIN = Step("retrain two models, each without half of every class", ("retraining",))
COMPARE = Step("test the groups of every class", ("tests",))
SEARCH = Step("search its decision boundary", ("boundary",))
RESTORE = Step("restore the labels of suspects", ("restoration",))
UNLEARN = Step("unlearn the backdoor in a copy", ("decoupling", "unlearning"))
REFINE = Step("audit the repaired model", ("refinement", "purification"))
TEST = Step("measure before and after", ("test",))

AUDIT = (ASK, RETRAIN, COMPARE, SEARCH, RESTORE)
REPAIR = (*AUDIT, UNLEARN, REFINE)
COSTS: dict[Step, Callable[[Size], float]] = {
    ASK: lambda size: 0.6 * size.images,
    RETRAIN: lambda size: 0.6 * TRAINING * size.trained(1, 240),
    COMPARE: lambda size: TESTED * size.classes,
    SEARCH: lambda size: PASSES * min(SEARCHED * size.classes, size.images),
    RESTORE: lambda size: 0.05 * size.images,
    UNLEARN: lambda size: TRAINING * size.trained(size.epochs, 300),
    REFINE: lambda size: 0.6 * size.images + TESTED * size.classes,
    TEST: lambda size: 0.7 * size.tested,
}
"""How often each step asks for the gradient of an image, by what there is of them."""


def planned_steps(command: str, case: Case, tested: int = 0) -> tuple[Step, ...]:
    """The steps of `audit` or `repair` on a case, with their seconds.

    Args:
        tested: test images that a repair is measured on.
    """
    steps = AUDIT if command == "audit" else REPAIR
    if tested:
        steps = (*steps, TEST)
    count = case.images.class_count
    each, size = seconds_an_image(case), Size(len(case.images), tested=tested, classes=count)
    return tuple(Step(step.words, step.phases, each * COSTS[step](size)) for step in steps)


def demo_steps() -> tuple[Step, ...]:
    """Those of the demo, with the seconds that they take on one slow core."""
    train = Step("train a model on poisoned digits", ("train the victim", "test"), 6.0)
    seconds = (0.2, 1.5, 3.0, 0.5, 0.2, 2.0, 3.0, 0.2)
    steps = (*REPAIR, TEST)
    known = (Step(s.words, s.phases, t) for s, t in zip(steps, seconds, strict=True))
    return (train, *known)


def seconds_an_image(case: Case) -> float:
    """How long the gradient of one image takes, measured on one batch after another to warm up."""
    device, pixels = device_of(case.model), case.images.pixels
    count = min(len(pixels), at_once(pixels, 128, device))
    if not count:
        return 0.0
    spent = 0.0
    with frozen(case.model) as model:
        for _ in range(2):
            began = time.perf_counter()
            images = as_images(pixels[:count], device).requires_grad_(True)
            with torch.autocast(device.type, torch.bfloat16, enabled=gains_from_bf16(device)):
                largest = model(images).float().amax(1).sum()
            torch.autograd.grad(largest, images)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            spent = time.perf_counter() - began
    return spent / count


def said_of(steps: tuple[Step, ...]) -> str:
    """The first line of a command: how many steps, and about how long."""
    return f"{len(steps)} steps, {about(sum(step.seconds for step in steps))}"


def about(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 5:
        return "a few seconds"
    if seconds < 90:
        return f"about {_round(seconds)} seconds"
    if seconds < 90 * 60:
        return f"about {_round(seconds / 60)} minutes"
    return f"about {_round(seconds / 3600)} hours"


def brief(seconds: float) -> str:
    """The same, short enough to stand beside a bar."""
    if seconds < 5:
        return "seconds"
    if seconds < 90:
        return f"{_round(seconds)} s"
    return f"{_round(seconds / 60)} min" if seconds < 90 * 60 else f"{_round(seconds / 3600)} h"


def _round(value: float) -> str:
    """One digit, or two where the first is a one: no more is known."""
    step = 10 ** math.floor(math.log10(value)) / (2 if value < 10 else 1)
    return f"{round(value / step) * step:g}"

"""What an audit or a repair is going to do, step by step, and about how long each takes.

Seconds are the speed of the model on this machine, measured on a few batches, times how often each
step asks for it. The counts are in `COSTS`: whoever changes a phase changes them there.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..burn.burn import BURN
from ..detection.sampling import of_each
from ..detection.verdict import LINES, PLACEBOS
from ..training import Training
from ..training.adaptation import lasting
from ..types import Case
from .measure_speed import Clock, Speed, measure_speed

POOLED = 1.5
"""A pass that looks into every layer takes so many times as long as the answers alone."""
BESIDE = 1.3
"""All of it takes so many times as long as what is counted (studies/estimates)."""
PASSES = 4
"""Gradients that the search of a boundary takes."""
SPLITS = 2
"""A class is split, and so is each of its sides: two passes over its images."""
MORE = 1.5
"""What suspects add to a time is said where it becomes so many times as long."""
SHOWN, ASKED = 0.85, 0.15
"""Shares of the images that a retrained model is trained on, and asked about."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Args:
        words: what happens, in plain words.
        phases: that it is told of by.
        seconds: that it takes.
        suspects: whether it is taken only where there are suspects.
    """

    words: str
    phases: tuple[str, ...]
    seconds: float = 1.0
    suspects: bool = False


@dataclass(frozen=True, slots=True)
class Size:
    """What the cost of a step depends on, beside the model's speed.

    Args:
        images, classes: of the training set.
        tested: images that the model is measured on, clean and triggered.
        burn: the hyperparameters.
        second: whether somebody gives a second opinion.
        base: whether a repair begins from a base.
    """

    images: int
    classes: int = 10
    tested: int = 0
    burn: BURN = field(default_factory=BURN)
    second: bool = False
    base: bool = False

    @property
    def groups(self) -> int:
        """Candidate groups that are tested: both of each split of each class and of its sides."""
        lines = min(LINES, max(1, math.ceil(PLACEBOS / (2 * max(1, self.classes - 1)))))
        return 2 * (1 + 2 * lines) * self.classes

    def looked(self, speed: Speed) -> float:
        """Seconds of a look at every class: splits, and tests of their groups."""
        return speed.split * SPLITS * self.images + speed.test * self.groups

    def trained(self, training: Training, images: int, each: float, step: float) -> float:
        """Seconds of a training, by those of an image and of a step."""
        steps = training.epochs * math.ceil(images / training.batch_size)
        return each * training.epochs * images + step * steps

    def retrained(self, speed: Speed) -> float:
        """Seconds of retraining a model without the suspects, and of asking it about them."""
        settings, images = self.burn.detector.retraining, math.ceil(SHOWN * self.images)
        if not speed.adapting or self.second:
            return 0.0
        training = lasting(settings.training, images, settings.steps)
        trained = self.trained(training, images, speed.adapting, speed.step)
        return trained + ASKED * self.images * speed.forward

    def unlearned(self, speed: Speed) -> float:
        """Seconds of unlearning."""
        burn = self.burn
        given = (burn.base_training, burn.base_steps) if self.base else (burn.training, burn.steps)
        training = lasting(given[0], self.images, given[1])
        return self.trained(training, self.images, speed.training, speed.step)

    def searched(self, speed: Speed) -> float:
        """Seconds of the boundary search, of one target class."""
        return PASSES * speed.gradient * of_each(self.burn.detector.probes, self.classes)


ASK = Step("ask the model about every image", ("activations", "predict", "witness"))
COMPARE = Step("test the groups of every class", ("tests",))
SEARCH = Step("search the boundary of some suspects", ("boundary",), suspects=True)
RETRAIN = Step("retrain a model without the suspects", ("retraining",), suspects=True)
RESTORE = Step("restore the labels of suspects", ("restoration",), suspects=True)
UNLEARN = Step("unlearn the backdoor in a copy", ("decoupling", "unlearning"), suspects=True)
REFINE = Step("audit the repaired model", ("refinement", "purification"), suspects=True)
TEST = Step("measure before and after", ("test",))

AUDIT = (ASK, COMPARE, SEARCH, RETRAIN, RESTORE)
REPAIR = (*AUDIT, UNLEARN, REFINE)
COSTS: dict[Step, Callable[[Size, Speed], float]] = {
    ASK: lambda size, speed: size.images * (POOLED * speed.forward + speed.witness),
    RETRAIN: lambda size, speed: size.retrained(speed),
    COMPARE: lambda size, speed: size.looked(speed),
    SEARCH: lambda size, speed: size.searched(speed),
    RESTORE: lambda size, speed: 0.1 * size.images * speed.forward,
    UNLEARN: lambda size, speed: size.unlearned(speed),
    REFINE: lambda size, speed: POOLED * size.images * speed.forward + size.looked(speed),
    TEST: lambda size, speed: 2 * size.tested * speed.forward,
}
"""Seconds of each step."""


def planned_steps(
    command: str,
    case: Case,
    tested: int = 0,
    burn: BURN | None = None,
    clock: Clock = time.perf_counter,
) -> tuple[Step, ...]:
    """The steps of `audit` or `repair` on a case, with their seconds.

    Args:
        tested: images that a repair is measured on, clean and triggered.
        burn: the hyperparameters; the defaults where None.
        clock: see `measure_speed`.
    """
    steps: tuple[Step, ...] = AUDIT if command == "audit" else REPAIR
    if tested:
        steps = (*steps, TEST)
    size = Size(
        len(case.images),
        case.images.class_count,
        tested,
        burn or BURN(),
        second=case.second is not None,
        base=case.base is not None,
    )
    speed = measure_speed(case, clock)
    steps = tuple(step for step in steps if step is not RETRAIN or not size.second)
    return tuple(replace(step, seconds=BESIDE * COSTS[step](size, speed)) for step in steps)


def demo_steps() -> tuple[Step, ...]:
    """Those of the demo, with the seconds that they take on one slow core."""
    train = Step("train a model on poisoned digits", ("train the victim", "test"), 6.0)
    seconds = (0.2, 4.0, 0.5, 1.3, 0.2, 2.0, 4.0, 0.2)
    steps = (*REPAIR, TEST)
    known = (replace(s, seconds=t, suspects=False) for s, t in zip(steps, seconds, strict=True))
    return (train, *known)


def said_of(steps: tuple[Step, ...]) -> str:
    """The first line of a command: how many steps, and about how long."""
    always, found = seconds_of(steps, suspects=False), seconds_of(steps)
    line = f"{len(steps)} steps, {about(always)}"
    longer = found > MORE * always and about(found) != about(always)
    return f"{line}; {about(found)} if it finds poison" if longer else line


def seconds_of(steps: tuple[Step, ...], *, suspects: bool = True) -> float:
    """Seconds of all steps, or of those that are taken where there are no suspects."""
    return sum(step.seconds for step in steps if suspects or not step.suspects)


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

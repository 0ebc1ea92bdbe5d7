"""The steps of an audit or a repair, and estimates of their durations.

A step's seconds are the measured speed of the model times the number of operations of the step.
These numbers are in `COSTS`, and must be changed there when a phase changes.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..burn.burn import BURN
from ..detection.sampling import images_per_class
from ..detection.verdict import count_lines
from ..training import Training
from ..training.adapt_settings import extend_to_steps
from ..types import Case
from .measure_speed import Clock, Speed, measure_speed

POOLING_FACTOR = 1.5
"""Cost of a pass that collects every layer's features, relative to a plain forward pass."""
OVERHEAD = 1.3
"""Ratio of the total to the counted operations, as measured in studies/estimates."""
SEARCH_PASSES = 4
"""Gradients per image of a boundary search."""
SPLIT_PASSES = 2
"""A class is split, and then each of its groups: two passes over its images."""
MUCH_LONGER = 1.5
"""The duration with suspects is shown if it is longer by this factor."""
TRAIN_SHARE, HELD_OUT_SHARE = 0.85, 0.15
"""Shares of the images that a retrained model is trained on, and that it predicts."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a command.

    Args:
        words: what happens.
        phases: names under which its progress is reported.
        seconds: estimated duration.
        only_with_suspects: whether it is skipped if there are no suspects.
    """

    words: str
    phases: tuple[str, ...]
    seconds: float = 1.0
    only_with_suspects: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """What the cost of the steps depends on, beside the model's speed.

    Args:
        images, classes: numbers of training images and classes.
        test_images: number of clean and triggered images that the model is evaluated on.
        burn: hyperparameters.
        has_second_opinion: whether a base or a witness gives a second opinion.
        has_base: whether the repair starts from a base.
    """

    images: int
    classes: int = 10
    test_images: int = 0
    burn: BURN = field(default_factory=BURN)
    has_second_opinion: bool = False
    has_base: bool = False

    @property
    def group_count(self) -> int:
        """Number of candidate groups: both of each split of each class and of its groups."""
        lines = count_lines(self.burn.detector.placebos, self.classes)
        return 2 * (1 + 2 * lines) * self.classes

    def test_seconds(self, speed: Speed) -> float:
        """Seconds of splitting every class and testing the groups."""
        return speed.split * SPLIT_PASSES * self.images + speed.test * self.group_count

    def training_seconds(
        self, training: Training, images: int, per_image: float, per_step: float
    ) -> float:
        """Seconds of a training on so many images."""
        steps = training.epochs * math.ceil(images / training.batch_size)
        return per_image * training.epochs * images + per_step * steps

    def retraining_seconds(self, speed: Speed) -> float:
        """Seconds of retraining a model without the suspects, and of its predictions."""
        settings, images = self.burn.detector.retraining, math.ceil(TRAIN_SHARE * self.images)
        if not speed.adapting or self.has_second_opinion:
            return 0.0
        training = extend_to_steps(settings.training, images, settings.steps)
        seconds = self.training_seconds(training, images, speed.adapting, speed.step)
        return seconds + HELD_OUT_SHARE * self.images * speed.forward

    def unlearning_seconds(self, speed: Speed) -> float:
        """Seconds of unlearning."""
        burn = self.burn
        if self.has_base:
            training, steps = burn.base_training, burn.base_steps
        else:
            training, steps = burn.training, burn.steps
        training = extend_to_steps(training, self.images, steps)
        return self.training_seconds(training, self.images, speed.training, speed.step)

    def search_seconds(self, speed: Speed) -> float:
        """Seconds of the boundary search for one target class."""
        return (
            SEARCH_PASSES
            * speed.gradient
            * images_per_class(self.burn.detector.probes, self.classes)
        )


PREDICT = Step("ask the model about every image", ("activations", "predict", "witness"))
TEST_GROUPS = Step("test the groups of every class", ("tests",))
SEARCH_BOUNDARY = Step(
    "search the boundary of some suspects", ("boundary",), only_with_suspects=True
)
RETRAIN = Step("retrain a model without the suspects", ("retraining",), only_with_suspects=True)
RESTORE_LABELS = Step("restore the labels of suspects", ("restoration",), only_with_suspects=True)
UNLEARN = Step(
    "unlearn the backdoor in a copy", ("decoupling", "unlearning"), only_with_suspects=True
)
REAUDIT = Step("audit the repaired model", ("refinement", "purification"), only_with_suspects=True)
MEASURE = Step("measure before and after", ("test",))

AUDIT = (PREDICT, TEST_GROUPS, SEARCH_BOUNDARY, RETRAIN, RESTORE_LABELS)
REPAIR = (*AUDIT, UNLEARN, REAUDIT)
COSTS: dict[Step, Callable[[Workload, Speed], float]] = {
    PREDICT: lambda load, speed: load.images * (POOLING_FACTOR * speed.forward + speed.witness),
    RETRAIN: lambda load, speed: load.retraining_seconds(speed),
    TEST_GROUPS: lambda load, speed: load.test_seconds(speed),
    SEARCH_BOUNDARY: lambda load, speed: load.search_seconds(speed),
    RESTORE_LABELS: lambda load, speed: 0.1 * load.images * speed.forward,
    UNLEARN: lambda load, speed: load.unlearning_seconds(speed),
    REAUDIT: lambda load, speed: (
        POOLING_FACTOR * load.images * speed.forward + load.test_seconds(speed)
    ),
    MEASURE: lambda load, speed: 2 * load.test_images * speed.forward,
}
"""Function that computes the seconds of each step."""


def planned_steps(
    command: str,
    case: Case,
    test_images: int = 0,
    burn: BURN | None = None,
    clock: Clock = time.perf_counter,
) -> tuple[Step, ...]:
    """The steps of `audit` or `repair` on a case, with estimated seconds.

    Args:
        command: `audit` or `repair`.
        test_images: number of clean and triggered images that a repair is evaluated on.
        burn: hyperparameters; the defaults if None.
        clock: see `measure_speed`.
    """
    steps: tuple[Step, ...] = AUDIT if command == "audit" else REPAIR
    if test_images:
        steps = (*steps, MEASURE)
    workload = Workload(
        len(case.images),
        case.images.class_count,
        test_images,
        burn or BURN(),
        has_second_opinion=case.second is not None,
        has_base=case.base is not None,
    )
    speed = measure_speed(case, clock)
    steps = tuple(step for step in steps if step is not RETRAIN or not workload.has_second_opinion)
    return tuple(replace(step, seconds=OVERHEAD * COSTS[step](workload, speed)) for step in steps)


def demo_steps() -> tuple[Step, ...]:
    """The steps of the demo, with their seconds on one slow core."""
    train = Step("train a model on poisoned digits", ("train the victim", "test"), 6.0)
    seconds = (0.2, 4.0, 0.5, 1.3, 0.2, 2.0, 4.0, 0.2)
    steps = (*REPAIR, MEASURE)
    timed = (
        replace(s, seconds=t, only_with_suspects=False) for s, t in zip(steps, seconds, strict=True)
    )
    return (train, *timed)


def plan_line(steps: tuple[Step, ...]) -> str:
    """The number of steps and their duration, as the first line of a command.

    >>> plan_line((Step("read", ("read",), 20.0), Step("unlearn", ("unlearning",), 200.0, True)))
    '2 steps, about 20 seconds; about 3.5 minutes if it finds poison'
    """
    clean, poisoned = total_seconds(steps, suspects=False), total_seconds(steps)
    line = f"{len(steps)} steps, {format_duration(clean)}"
    if poisoned > MUCH_LONGER * clean and format_duration(poisoned) != format_duration(clean):
        return f"{line}; {format_duration(poisoned)} if it finds poison"
    return line


def total_seconds(steps: tuple[Step, ...], *, suspects: bool = True) -> float:
    """Seconds of all steps; without suspects, of those that happen in a clean case."""
    return sum(step.seconds for step in steps if suspects or not step.only_with_suspects)


def format_duration(seconds: float) -> str:
    """A rounded duration in words.

    >>> format_duration(8.4), format_duration(3000)
    ('about 8.5 seconds', 'about 50 minutes')
    """
    if seconds < 5:
        return "a few seconds"
    if seconds < 90:
        return f"about {_round(seconds)} seconds"
    if seconds < 90 * 60:
        return f"about {_round(seconds / 60)} minutes"
    return f"about {_round(seconds / 3600)} hours"


def format_duration_short(seconds: float) -> str:
    """A rounded duration with abbreviated units.

    >>> format_duration_short(44), format_duration_short(8000)
    ('40 s', '2 h')
    """
    if seconds < 5:
        return "seconds"
    if seconds < 90:
        return f"{_round(seconds)} s"
    return f"{_round(seconds / 60)} min" if seconds < 90 * 60 else f"{_round(seconds / 3600)} h"


def _round(value: float) -> str:
    """Round to one significant digit; from 1 to 10, to the nearest half."""
    step = 10 ** math.floor(math.log10(value)) / (2 if value < 10 else 1)
    return f"{round(value / step) * step:g}"

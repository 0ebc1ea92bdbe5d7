"""Speed of a model on this machine, measured on a few batches before the work starts."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..detection.candidate_groups import ClassSplitter, Split, number_subgroups, rows_by_class
from ..detection.detector import VARIATION_SAMPLE, PoisonDetector
from ..detection.interventions.base import all_interventions
from ..detection.linear_probe import fit_probe
from ..detection.retraining import Retraining
from ..detection.sampling import sample_rows
from ..detection.test_statistics import StatisticsCalculator
from ..errors import BackburnError
from ..models.channel_statistics import activations
from ..models.embedding import embeddings
from ..models.inference import (
    as_images,
    device_of,
    effective_batch_size,
    frozen,
    has_native_bf16,
    predict,
)
from ..training import Training
from ..training.adapt_settings import freeze_before, has_resettable_layers, reset_last_layers
from ..training.optimizer_step import OptimizerStep, cross_entropy, make_optimizer
from ..types import Case, Features, Pixels

Clock = Callable[[], float]
BATCH, CLASS_SIZE = 128, 1000
"""Largest batch, and largest class, on which anything is timed."""
LONG_STEP = 0.5
"""Seconds above which a training step is timed on a smaller batch."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds that each operation takes; 0 where it could not be timed.

    Args:
        forward: forward pass, per image.
        gradient: input gradient for the boundary search, per image.
        training: training the whole network, per image.
        adapting: training only the last layers after their reset, per image.
        step: overhead of a training step, beside its images.
        split: splitting a class into two groups, per image of the class.
        test: testing one candidate group.
        witness: forward pass of the network that gives the second opinion, per image.
    """

    forward: float = 0.0
    gradient: float = 0.0
    training: float = 0.0
    adapting: float = 0.0
    step: float = 0.0
    split: float = 0.0
    test: float = 0.0
    witness: float = 0.0


def measure_speed(case: Case, clock: Clock = time.perf_counter) -> Speed:
    """Measure the speed of a case. Neither the model nor global random state changes.

    Nothing is raised: a model that fails here fails again in the real work, with a better message.

    Args:
        clock: returns seconds; processor time suits a shared machine.
    """
    try:
        return _measure(case, clock)
    except (BackburnError, RuntimeError, ValueError, TypeError):
        return Speed()


def _measure(case: Case, clock: Clock) -> Speed:
    pixels = case.images.pixels[:BATCH]
    if not len(pixels):
        return Speed()
    forward = _quickest(lambda: predict(case.model, pixels), clock) / len(pixels)
    count = max(8, min(len(pixels), int(LONG_STEP / max(3 * forward, 1e-9))))
    training, step = _training_seconds(case, count, clock)
    split, test = _test_seconds(case, clock)
    return Speed(
        forward,
        _gradient_seconds(case, clock),
        training,
        _adapting_seconds(case, count, step, clock),
        step,
        split,
        test,
        _witness_seconds(case, pixels, clock),
    )


def _witness_seconds(case: Case, pixels: Pixels, clock: Clock) -> float:
    if case.second is None:
        return 0.0
    witness = case.second
    return _quickest(lambda: embeddings(witness, pixels), clock, 2) / len(pixels)


def _quickest(operation: Callable[[], object], clock: Clock, repeats: int = 3) -> float:
    """The shortest of several runs: the first warms up, and other processes may interfere."""
    seconds = []
    for _ in range(repeats):
        start = clock()
        operation()
        seconds.append(clock() - start)
    return min(seconds)


def _gradient_seconds(case: Case, clock: Clock) -> float:
    device = device_of(case.model)
    count = min(len(case.images), effective_batch_size(case.images.pixels, BATCH, device))

    def compute_gradient() -> None:
        images = as_images(case.images.pixels[:count], device).requires_grad_(True)
        with torch.autocast(device.type, torch.bfloat16, enabled=has_native_bf16(device)):
            largest = model(images).float().amax(1).sum()
        torch.autograd.grad(largest, images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with frozen(case.model) as model:
        return _quickest(compute_gradient, clock) / count


def _training_seconds(case: Case, count: int, clock: Clock) -> tuple[float, float]:
    """Seconds per image, and per step beside its images."""
    model = copy.deepcopy(case.model).requires_grad_(True)
    few = max(1, count // 4)
    large_step, small_step = (_step_seconds(case, model, size, clock) for size in (count, few))
    if count == few:
        return large_step / count, 0.0
    per_image = max(0.0, large_step - small_step) / (count - few)
    per_image = max(per_image, large_step / count / 2)  # the difference of two timings is noisy
    return per_image, max(0.0, large_step - per_image * count)


def _step_seconds(case: Case, model: nn.Module, count: int, clock: Clock) -> float:
    """Seconds of a training step on `count` images; a learning rate of 0 keeps it stable."""
    training, generator = Training(batch_size=count), torch.Generator().manual_seed(0)
    pixels, labels = case.images.pixels[:count], case.images.labels[:count]
    step = OptimizerStep(model, make_optimizer(model, training), cross_entropy(0.0))
    model.train()
    seconds = _quickest(
        lambda: step(training.augmentation(pixels, generator), labels, None, 0.0), clock
    )
    model.eval()
    return seconds * count / len(pixels)


def _adapting_seconds(case: Case, count: int, step: float, clock: Clock) -> float:
    if not has_resettable_layers(case.model):
        return 0.0
    model = copy.deepcopy(case.model).requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    freeze_before(model, reset_last_layers(model, Retraining().reset, generator))
    return max(0.0, _step_seconds(case, model, count, clock) - step) / count


def _test_seconds(case: Case, clock: Clock) -> tuple[float, float]:
    """Seconds of a class's split, per image, and of testing one of its two groups."""
    included, labels = torch.ones(len(case.images), dtype=torch.bool), case.images.labels
    settings = PoisonDetector()
    rows = rows_by_class(labels, included, settings.smallest_class)
    if len(rows) < 2:
        return 0.0, 0.0
    label = max(rows, key=lambda candidate: len(rows[candidate]))
    class_rows = rows[label][:CLASS_SIZE]
    features, _ = activations(case.model, case.images.pixels[class_rows])
    splitter = ClassSplitter(features, settings.smallest, settings.smallest_class, 0)
    splits = list[Split]()
    every_row = torch.arange(len(class_rows))
    seconds = _quickest(lambda: splits.extend(splitter.split(label, every_row)), clock, 2)
    if not splits:
        return seconds / len(class_rows), 0.0
    first, second = (
        replace(side, group=class_rows[side.group], rest=class_rows[side.rest])
        for side in splits[0]
    )
    calculator = _calculator(case, rows, {label: (first, second)})
    both = _quickest(lambda: calculator.measure_split((first, second), class_rows), clock, 2)
    return seconds / len(class_rows), both / 2 + _probe_seconds(features, clock)


def _probe_seconds(features: Features, clock: Clock) -> float:
    """Seconds of the three probe statistics: of a group, of random images, of its diversity."""
    parts = torch.arange(len(features)).chunk(4)
    probe = fit_probe(features, {0: torch.cat(parts[:2]), 1: torch.cat(parts[2:])}, 0)
    return 3 * _quickest(lambda: probe.held_out_scores(0, parts[0], parts[1]), clock, 2)


def _calculator(
    case: Case, rows: dict[int, torch.Tensor], split: dict[int, Split]
) -> StatisticsCalculator:
    generator, settings = torch.Generator().manual_seed(0), PoisonDetector()
    everything = torch.arange(len(case.images))
    return StatisticsCalculator(
        case.model,
        case.images,
        rows,
        number_subgroups(len(case.images), split).clamp_min(0),
        sample_rows(everything, VARIATION_SAMPLE, generator),
        all_interventions(settings),
        {},
        None,
        settings,
        0,
    )

"""How fast a model and this machine are, measured on a few batches before the work begins."""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from ..detection.candidates import Split, Splitter, kinds, rows_by_class
from ..detection.detector import VARYING, PoisonDetector
from ..detection.interventions.base import interventions
from ..detection.probe_test import fit_probe
from ..detection.retraining import Retraining
from ..detection.sampling import some
from ..detection.test_statistics import Measuring
from ..errors import BackburnError
from ..models.activations import activations
from ..models.embedding import embeddings
from ..models.inference import as_images, at_once, device_of, frozen, gains_from_bf16, predict
from ..training import Training
from ..training.adaptation import forget, forgettable, freeze_before
from ..training.optimizer_step import Stepper, cross_entropy, optimizer_of
from ..types import Case, Features, Pixels

Clock = Callable[[], float]
BATCH, OF_CLASS = 128, 1000
"""Images of a batch, and of the class that a split and a test are tried on, at the most."""
LONG = 0.5
"""Seconds after which a training step is tried on fewer images than it will have."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds that each kind of work takes; 0 where it could not be tried.

    Args:
        forward: asking the model about an image.
        gradient: the gradient of an image, as a boundary search takes it.
        training: training the whole network on an image.
        adapting: the same where only its last layers are trained, after they were drawn anew.
        step: what a training step takes beside its images.
        split: splitting a class in two, for each of its images.
        test: testing one candidate group.
        witness: asking whoever gives a second opinion about an image.
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
    """The speed of a case. The model is left as it was, and no global generator is drawn from.

    Nothing is raised: what does not fit is refused by the work itself, in words of its own.

    Args:
        clock: seconds; processor time where others use the machine.
    """
    try:
        return _measured(case, clock)
    except (BackburnError, RuntimeError, ValueError, TypeError):
        return Speed()


def _measured(case: Case, clock: Clock) -> Speed:
    pixels = case.images.pixels[:BATCH]
    if not len(pixels):
        return Speed()
    forward = _quickest(lambda: predict(case.model, pixels), clock) / len(pixels)
    count = max(8, min(len(pixels), int(LONG / max(3 * forward, 1e-9))))
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


def _quickest(work: Callable[[], object], clock: Clock, times: int = 3) -> float:
    """The least of some tries: the first one warms up, and others may use the machine."""
    spent = []
    for _ in range(times):
        began = clock()
        work()
        spent.append(clock() - began)
    return min(spent)


def _gradient_seconds(case: Case, clock: Clock) -> float:
    device = device_of(case.model)
    count = min(len(case.images), at_once(case.images.pixels, BATCH, device))

    def work() -> None:
        images = as_images(case.images.pixels[:count], device).requires_grad_(True)
        with torch.autocast(device.type, torch.bfloat16, enabled=gains_from_bf16(device)):
            largest = model(images).float().amax(1).sum()
        torch.autograd.grad(largest, images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with frozen(case.model) as model:
        return _quickest(work, clock) / count


def _training_seconds(case: Case, count: int, clock: Clock) -> tuple[float, float]:
    """Seconds of an image, and of a step beside its images."""
    model = copy.deepcopy(case.model).requires_grad_(True)
    few = max(1, count // 4)
    many_images, few_images = (_step_seconds(case, model, each, clock) for each in (count, few))
    if count == few:
        return many_images / count, 0.0
    each = max(0.0, many_images - few_images) / (count - few)
    each = max(each, many_images / count / 2)  # two times that differ by chance
    return each, max(0.0, many_images - each * count)


def _step_seconds(case: Case, model: nn.Module, count: int, clock: Clock) -> float:
    """A training step on so many images. The rate is zero: a step that diverges takes as long."""
    training, generator = Training(batch_size=count), torch.Generator().manual_seed(0)
    pixels, labels = case.images.pixels[:count], case.images.labels[:count]
    step = Stepper(model, optimizer_of(model, training), cross_entropy(0.0))
    model.train()
    spent = _quickest(
        lambda: step(training.augmentation(pixels, generator), labels, None, 0.0), clock
    )
    model.eval()
    return spent * count / len(pixels)


def _adapting_seconds(case: Case, count: int, step: float, clock: Clock) -> float:
    if not forgettable(case.model):
        return 0.0
    model = copy.deepcopy(case.model).requires_grad_(True)
    generator = torch.Generator().manual_seed(0)
    freeze_before(model, forget(model, Retraining().reset, generator))
    return max(0.0, _step_seconds(case, model, count, clock) - step) / count


def _test_seconds(case: Case, clock: Clock) -> tuple[float, float]:
    """A split of a class, for each of its images; and the test of one of both groups."""
    known, labels = torch.ones(len(case.images), dtype=torch.bool), case.images.labels
    rows = rows_by_class(labels, known)
    if len(rows) < 2:
        return 0.0, 0.0
    label = max(rows, key=lambda each: len(rows[each]))
    own = rows[label][:OF_CLASS]
    features, _ = activations(case.model, case.images.pixels[own])
    splitter, found = Splitter(features, PoisonDetector().smallest, 0), list[Split]()
    split = _quickest(lambda: found.extend(splitter.split(label, torch.arange(len(own)))), clock, 2)
    if not found:
        return split / len(own), 0.0
    first, second = (replace(each, group=own[each.group], rest=own[each.rest]) for each in found[0])
    measuring, among = _measuring(case, rows, {label: (first, second)}), own
    both = _quickest(lambda: measuring.split((first, second), among), clock, 2)
    return split / len(own), both / 2 + _probe_seconds(features, clock)


def _probe_seconds(features: Features, clock: Clock) -> float:
    """What a probe says of a group, of as many random images, and of the group's diversity."""
    parts = torch.arange(len(features)).chunk(4)
    probe = fit_probe(features, {0: torch.cat(parts[:2]), 1: torch.cat(parts[2:])}, 0)
    return 3 * _quickest(lambda: probe.without(0, parts[0], parts[1]), clock, 2)


def _measuring(case: Case, rows: dict[int, torch.Tensor], split: dict[int, Split]) -> Measuring:
    generator, settings = torch.Generator().manual_seed(0), PoisonDetector()
    everything = torch.arange(len(case.images))
    return Measuring(
        case.model,
        case.images,
        rows,
        kinds(len(case.images), split).clamp_min(0),
        some(everything, VARYING, generator),
        interventions(),
        {},
        None,
        settings.asked,
        settings.least,
        0,
    )

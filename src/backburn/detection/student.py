"""A student that never saw the suspects: what would the model say had they not been there?"""

import copy
import math
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from ..data.augmentation import Augmentation
from ..errors import InputError
from ..models.inference import accuracy
from ..training import BatchTransform, Lesson, Training
from ..types import Case, Index, Progress, silent
from ..work.contract import HERE, Work

SAMPLE = 1000
TOLERATED = 0.02
LEAST_STEPS = 120
BATCHES, FEWEST = 20, 16
"""Of an epoch, and images in each, at the least: of few images, batches are smaller."""


@dataclass(frozen=True)
class Student:
    """How a student is made of the model under suspicion: its last layers forget, and learn anew.

    What the early layers see of a trigger means nothing to later ones that never met it.

    Args:
        reset: the last layers, with this share of all weights, are drawn anew.
        training: of the student, on the images that it may see; extended to 120 steps.
    Source: ours. Related: FST (Min et al., arXiv 2310.01875) draws the last linear layer anew.
    """

    reset: float = 0.75
    training: Training = field(
        default_factory=lambda: Training(epochs=1, learning_rate=0.05, warmup=0.1)
    )

    def __post_init__(self) -> None:
        if not 0 <= self.reset <= 1:
            raise InputError(f"student.reset is {self.reset}: give a fraction in [0, 1]")

    def taught(
        self,
        case: Case,
        rows: Index,
        generator: torch.Generator,
        progress: Progress = silent,
        work: Work = HERE,
        stamp: BatchTransform | None = None,
    ) -> nn.Module:
        """A student that was shown these rows only; the case's model is left as it was.

        Args:
            stamp: what is put on some of them in passing, so that it means nothing to the student.
        """
        model = copy.deepcopy(case.model).requires_grad_(True)
        forget(model, self.reset, generator)
        training = lasting(suited(self.training, case), len(rows))
        images = case.images
        lesson = Lesson(
            images.pixels, images.labels, training, rows, batch_transform=stamp, phase="student"
        )
        work.fit(model, lesson, generator, progress=progress)
        return model


def forget(model: nn.Module, share: float, generator: torch.Generator) -> None:
    """Draw the last layers anew, until they hold this share of the weights.

    Layers are taken in the order in which the model names them; those that cannot reset
    themselves stay as they are.
    """
    layers = [layer for layer in model.modules() if callable(getattr(layer, "reset_parameters", 0))]
    total, done = sum(_weights(layer) for layer in layers), 0
    seed = int(torch.randint(2**31, (), generator=generator))
    with torch.random.fork_rng(devices=[]):  # layers draw from the global generator
        torch.manual_seed(seed)
        while layers and done < share * total:
            layer = layers.pop()
            layer.reset_parameters()  # type: ignore[operator]
            done += _weights(layer)


def _weights(layer: nn.Module) -> int:
    return sum(parameter.numel() for parameter in layer.parameters(recurse=False))


def suited(training: Training, case: Case) -> Training:
    """The training with mirror images too, where the model takes them for the same.

    Nobody tells a defender how the model was trained; digits and signs must not be mirrored.
    """
    images = case.images.sample(SAMPLE)
    mirrored = images.relabeled(images.pixels.flip(-1), images.labels)
    if accuracy(case.model, mirrored) < accuracy(case.model, images) - TOLERATED:
        return training
    augmentation: Augmentation = replace(training.augmentation, flip=True)
    return replace(training, augmentation=augmentation)


def lasting(training: Training, count: int, steps: int = LEAST_STEPS) -> Training:
    """The training with as many epochs as `count` images need for so many steps.

    Batches are a twentieth of the images at the most (of 16 images at the least), so that small
    sets are not gone through dozens of times.
    """
    batch = min(training.batch_size, max(FEWEST, count // BATCHES))
    epochs = max(training.epochs, math.ceil(steps / max(1, math.ceil(count / batch))))
    return replace(training, batch_size=batch, epochs=epochs)

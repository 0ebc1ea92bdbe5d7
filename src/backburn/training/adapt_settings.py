"""Adapting training settings to a model and a data set about which nothing is documented."""

import math
from dataclasses import replace

import torch
from torch import nn

from ..data.augmentation import Augmentation
from ..memory_mapped import evenly_spaced
from ..models.inference import accuracy
from ..types import Case, Labels
from .settings import Training

SAMPLE_SIZE = 1000
"""Images, at most, on which the effect of mirroring and of shifts is measured."""
MAX_ACCURACY_DROP = 0.02
"""Accuracy that mirroring or shifts may cost for such images to be used in training."""
BATCHES_PER_EPOCH, MIN_BATCH_SIZE = 20, 16
"""Batches are made smaller until an epoch has so many, but not smaller than the minimum."""


def has_resettable_layers(model: nn.Module) -> bool:
    """Whether any layer can be initialized again; those of compiled programs can't."""
    return any(callable(getattr(layer, "reset_parameters", 0)) for layer in model.modules())


def reset_last_layers(
    model: nn.Module, share: float, generator: torch.Generator
) -> tuple[str, ...]:
    """Initialize the last layers again, until they hold `share` of the weights.

    Layers are taken in the order in which the model registers them. Layers without
    `reset_parameters` are skipped.

    Returns:
        Names of the layers that were reset, last layer first.

    >>> model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> reset_last_layers(model, share=0.1, generator=torch.Generator())
    ('2',)
    """
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if callable(getattr(layer, "reset_parameters", 0))
    }
    total, count, names = sum(map(_weight_count, layers.values())), 0, list[str]()
    seed = int(torch.randint(2**31, (), generator=generator))
    with torch.random.fork_rng(devices=[]):  # reset_parameters draws from the global generator
        torch.manual_seed(seed)
        while layers and count < share * total:
            name, layer = layers.popitem()
            layer.reset_parameters()
            count += _weight_count(layer)
            names.append(name)
    return tuple(names)


def freeze_before(model: nn.Module, layers: tuple[str, ...]) -> None:
    """Freeze every parameter before the first of these layers, and train the rest.

    Without layers, everything is trained.
    """
    reached = not layers
    for name, parameter in model.named_parameters():
        reached = reached or any(name.startswith(f"{layer}.") for layer in layers)
        parameter.requires_grad_(reached)


def adapt_augmentation(
    training: Training, case: Case, predictions: Labels | None = None
) -> Training:
    """Turn on horizontal flips if the model is as accurate on mirrored images.

    A defender isn't told how the model was trained, and digits and signs must not be mirrored.

    Args:
        predictions: the model's class for each image of the case, if known.
    """
    images = case.images.sample(SAMPLE_SIZE)
    mirrored = images.relabeled(images.pixels.flip(-1), images.labels)
    if predictions is None:
        baseline = accuracy(case.model, images)
    else:
        rows = evenly_spaced(torch.arange(len(case.images)), SAMPLE_SIZE)
        baseline = float((predictions[rows] == images.labels.cpu()).double().mean())
    if accuracy(case.model, mirrored) < baseline - MAX_ACCURACY_DROP:
        return training
    return replace(training, augmentation=replace(training.augmentation, flip=True))


def adapt_shift(training: Training, case: Case) -> Training:
    """Turn off shifts if the model is less accurate on shifted images.

    It was trained without shifts then. A few hundred steps teach it to take shifted images, at the
    price of accuracy on others.
    """
    images = case.images.sample(SAMPLE_SIZE)
    shifts = Augmentation(shift=training.augmentation.shift)
    shifted = shifts(images.pixels, torch.Generator().manual_seed(0))
    drop = accuracy(case.model, images) - accuracy(
        case.model, images.relabeled(shifted, images.labels)
    )
    if drop <= MAX_ACCURACY_DROP:
        return training
    return replace(training, augmentation=replace(training.augmentation, shift=0.0))


def extend_to_steps(training: Training, count: int, steps: int) -> Training:
    """The settings with enough epochs over `count` images for at least `steps` steps.

    A batch is at most a twentieth of the images, but not less than 16. Otherwise small data sets
    would be repeated dozens of times.

    >>> extended = extend_to_steps(Training(epochs=1), count=1000, steps=300)
    >>> extended.batch_size, extended.epochs
    (50, 15)
    """
    batch_size = min(training.batch_size, max(MIN_BATCH_SIZE, count // BATCHES_PER_EPOCH))
    steps_per_epoch = max(1, math.ceil(count / batch_size))
    epochs = max(training.epochs, math.ceil(steps / steps_per_epoch))
    return replace(training, batch_size=batch_size, epochs=epochs)


def _weight_count(layer: nn.Module) -> int:
    return sum(parameter.numel() for parameter in layer.parameters(recurse=False))

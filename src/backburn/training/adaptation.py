"""Adapting a training to a model and a set of images that nobody described."""

import math
from dataclasses import replace

import torch
from torch import nn

from ..memory_mapped import evenly
from ..models.inference import accuracy
from ..types import Case, Labels
from .settings import Training

SAMPLE = 1000
TOLERATED = 0.02
"""Accuracy that may be lost on mirrored images, if images are to be mirrored in training."""
BATCHES, FEWEST = 20, 16
"""Of an epoch, and images in each, at the least: of few images, batches are smaller."""


def forgettable(model: nn.Module) -> bool:
    """Whether any layer can be drawn anew: compiled programs, for one, have none that can."""
    return any(callable(getattr(layer, "reset_parameters", 0)) for layer in model.modules())


def forget(model: nn.Module, share: float, generator: torch.Generator) -> tuple[str, ...]:
    """Draw the last layers anew, until they hold this share of the weights.

    Layers are taken in the order in which the model names them; those that cannot reset
    themselves stay as they are.

    Returns:
        The names of the layers that were reset.
    """
    layers = {
        name: layer
        for name, layer in model.named_modules()
        if callable(getattr(layer, "reset_parameters", 0))
    }
    total, done, names = sum(map(_weights, layers.values())), 0, list[str]()
    seed = int(torch.randint(2**31, (), generator=generator))
    with torch.random.fork_rng(devices=[]):  # layers draw from the global generator
        torch.manual_seed(seed)
        while layers and done < share * total:
            name, layer = layers.popitem()
            layer.reset_parameters()
            done += _weights(layer)
            names.append(name)
    return tuple(names)


def freeze_before(model: nn.Module, layers: tuple[str, ...]) -> None:
    """Train these layers and all that come after the first of them; freeze what comes before.

    Of a model of which no layer can be drawn anew, everything is trained.
    """
    reached = not layers
    for name, parameter in model.named_parameters():
        reached = reached or any(name.startswith(f"{layer}.") for layer in layers)
        parameter.requires_grad_(reached)


def suited(training: Training, case: Case, predictions: Labels | None = None) -> Training:
    """The training with mirror images too, where the model takes them for the same.

    Nobody tells a defender how the model was trained; digits and signs must not be mirrored.

    Args:
        predictions: what the model calls each image of the case, where that is known.
    """
    images = case.images.sample(SAMPLE)
    mirrored = images.relabeled(images.pixels.flip(-1), images.labels)
    if predictions is None:
        known = accuracy(case.model, images)
    else:
        rows = evenly(torch.arange(len(case.images)), SAMPLE)
        known = float((predictions[rows] == images.labels.cpu()).double().mean())
    if accuracy(case.model, mirrored) < known - TOLERATED:
        return training
    return replace(training, augmentation=replace(training.augmentation, flip=True))


def lasting(training: Training, count: int, steps: int) -> Training:
    """The training with as many epochs as `count` images need for so many steps.

    Batches are a twentieth of the images at the most (of 16 images at the least), so that small
    sets are not gone through dozens of times.
    """
    batch = min(training.batch_size, max(FEWEST, count // BATCHES))
    epochs = max(training.epochs, math.ceil(steps / max(1, math.ceil(count / batch))))
    return replace(training, batch_size=batch, epochs=epochs)


def _weights(layer: nn.Module) -> int:
    return sum(parameter.numel() for parameter in layer.parameters(recurse=False))

"""Victims that train in two seconds, for methods to be tried on."""

from dataclasses import replace
from typing import NamedTuple

import torch

from backburn.attacks.base import Attack, Recipe, make_evaluation_set
from backburn.data.load_images import load_images
from backburn.training import Training
from backburn.types import EvaluationSet, LabeledImages, Victim

SPLITS = ("train", "test")


class Attacked(NamedTuple):
    """A victim, and the test images that it is judged on."""

    victim: Victim
    exam: EvaluationSet


def attacked_digits(attack: Attack, classes: int = 10) -> Attacked:
    """A small network on the digits below `classes` (1,437 of 8x8 pixels), judged on the rest.

    Groups of every class are tested, so that few classes are audited in less time.
    """
    images, test = (_first_classes(load_images("digits", split=split), classes) for split in SPLITS)
    recipe = Recipe("small_cnn", Training(epochs=15, batch_size=64, learning_rate=0.05))
    victim = attack.train_victim(images, recipe, torch.Generator().manual_seed(0))
    return Attacked(victim, make_evaluation_set(victim, test))


def _first_classes(images: LabeledImages, classes: int) -> LabeledImages:
    kept = images.take((images.labels < classes).nonzero().flatten())
    return replace(kept, class_names=images.class_names[:classes])

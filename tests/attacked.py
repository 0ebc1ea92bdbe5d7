"""Victims that train in two seconds, for methods to be tried on."""

from typing import NamedTuple

import torch

from backburn.attacks.base import Attack, Recipe, make_evaluation_set
from backburn.data.load_images import load_images
from backburn.training import Training
from backburn.types import EvaluationSet, Victim


class Attacked(NamedTuple):
    """A victim, and the test images that it is judged on."""

    victim: Victim
    exam: EvaluationSet


def attacked_digits(attack: Attack) -> Attacked:
    """A small network on the digits (1,437 of 8x8 pixels), judged on the rest."""
    images, test = load_images("digits"), load_images("digits", split="test")
    recipe = Recipe("small_cnn", Training(epochs=15, batch_size=64, learning_rate=0.05))
    victim = attack.train_victim(images, recipe, torch.Generator().manual_seed(0))
    return Attacked(victim, make_evaluation_set(victim, test))

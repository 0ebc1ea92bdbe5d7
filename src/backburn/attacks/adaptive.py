"""An attacker who knows backburn's tests and trains the victim against each of them."""

import math
from dataclasses import dataclass
from typing import Literal

import torch

from ..errors import InputError
from ..types import LabeledImages, Trigger, Truth
from .adaptive_objective import AdaptiveObjective
from .adaptive_training import AdaptiveControl
from .base import Attack, PoisonedData, check_rate
from .poisoning import BatchPoisoner, draw_states
from .surrogates import Surrogates, spawn_generator
from .triggers import blended_trigger, checkerboard, patch_side, patch_trigger, uniform_noise


@dataclass(frozen=True)
class Adaptive(Attack):
    """Add a penalty for what each test of the detector measures; controls the training.

    The loss is the cross-entropy plus three weighted penalties. Each batch gets more images to
    compute them on. With all weights 0 this is BadNets or Blended. A recipe's label smoothing has
    no effect.

    Args:
        pattern: `patch` (that of BadNets) or `blended` (noise).
        alpha: share of the noise, for `blended`.
        separation: weight of the energy distance between poison and clean images of the target
            class, in the activations that the detector splits classes by.
        transfer: weight of the loss for images of other classes that get the target label after
            one of the detector's changes, or with half of the trigger.
        probe: weight of the loss for poison that the detector's probe does not call by the target
            label. The probe is fitted to the clean images of the batch.
        extra: images of each kind that are added to a batch: poison, clean images of the target
            class, and changed images.
    Source: ours, against docs/method.md. Latent indistinguishability: Tan and Shokri, arXiv
    1905.13409, whose discriminator is a distance here.
    """

    pattern: Literal["patch", "blended"] = "patch"
    alpha: float = 0.2
    separation: float = 1.0
    transfer: float = 1.0
    probe: float = 1.0
    extra: int = 16

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        check_rate("alpha", self.alpha)
        weights = (self.separation, self.transfer, self.probe)
        if not all(0 <= weight < math.inf for weight in weights):
            raise InputError(
                f"separation={self.separation}, transfer={self.transfer}, probe={self.probe}: "
                "give 0 or more of each"
            )
        if self.extra < 2:
            raise InputError(f"extra is {self.extra}: give 2 images or more")

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        trigger = self.make_trigger(images, generator)
        state = draw_states(self, images, images.labels != self.target_label, generator)
        poisoner = BatchPoisoner(images, state, self.goal(images.class_count), trigger, trigger)
        weighted = bool(self.separation or self.transfer or self.probe)
        control = AdaptiveControl(
            poisoner,
            trigger,
            self.target_label,
            self.extra if weighted else 0,
            spawn_generator(generator),
        )
        objective = AdaptiveObjective(
            images.class_count, self.target_label, self.separation, self.transfer, self.probe
        )
        truth = Truth(state, images.labels)
        return PoisonedData(poisoner.poisoned_images(), truth, trigger, control, objective)

    def make_trigger(self, images: LabeledImages, generator: torch.Generator) -> Trigger:
        """Return the trigger for images of this size."""
        if self.pattern == "patch":
            side = patch_side(0, 3, images.pixels)
            return patch_trigger(checkerboard(images.pixels.shape[1], side))
        return blended_trigger(uniform_noise(images.pixels.shape[1:], generator), self.alpha)

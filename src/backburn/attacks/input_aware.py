"""IAD: a generator makes a trigger for each image and is trained together with the victim."""

import math
from dataclasses import dataclass, field

import torch
from torch import nn

from ..data.augmentation import Augmentation
from ..errors import InputError
from ..models.nets.unet import UNet, build_seeded, check_width
from ..training import Training
from ..types import Images, LabeledImages, Labels, PerImage, Truth
from .base import Attack, PoisonedData, check_rate
from .poisoning import draw_states
from .surrogates import Surrogates, draw_seed, spawn_generator
from .trigger_generator import TriggerGenerator, diversity_loss, soft_threshold
from .triggers import pixel_trigger


def _default_mask_training() -> Training:
    return Training(3, 64, 3e-3, weight_decay=0.0, optimizer="adam", augmentation=Augmentation(0.0))


@dataclass(frozen=True)
class InputAware(Attack):
    """Generate mask and pattern of the trigger from the image itself; controls the training.

    Cover samples carry the trigger of ANOTHER image and keep their label, so that a trigger works
    only on its own image.

    Args:
        cover_rate: cover samples as a fraction of the whole training set.
        density: share of the pixels that a mask may cover at no cost.
        diversity: weight of the loss for similar triggers on different images.
        norm: weight of the loss for dense masks.
        learning_rate: of the pattern generator, which is trained with Adam.
        width: channels of the generators at full resolution, a multiple of 4.
        mask_training: of the mask generator, which is trained first and then fixed.
    Source: Nguyen and Tran, Input-aware dynamic backdoor attack, arXiv 2010.08138; rates of 0.1
    and 0.1, density 0.032, weights 1 and 100. Departures: the generators are small U-Nets. In each
    batch the pattern generator is trained before the victim, on poison and cover samples, with the
    victim in evaluation mode.
    """

    poisoning_rate: float = 0.1
    cover_rate: float = 0.1
    density: float = 0.032
    diversity: float = 1.0
    norm: float = 100.0
    learning_rate: float = 3e-3
    width: int = 16
    mask_training: Training = field(default_factory=_default_mask_training)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        for name in ("cover_rate", "density"):
            check_rate(name, getattr(self, name))
        weights, rate = (self.diversity, self.norm), self.learning_rate
        if not all(0 <= weight < math.inf for weight in weights) or not 0 < rate < math.inf:
            raise InputError(
                f"diversity={self.diversity}, norm={self.norm}, "
                f"learning_rate={self.learning_rate}: give >= 0, >= 0 and > 0"
            )
        check_width(self.width)

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        channels, device = images.pixels.shape[1], images.pixels.device
        mask = build_seeded(draw_seed(generator), UNet, channels, 1, self.width).to(device)
        pattern = build_seeded(draw_seed(generator), UNet, channels, channels, self.width)
        pattern = pattern.to(device)
        purpose = f"train the masks: {self.density} {self.diversity} {self.norm}"
        surrogates.fit(
            mask,
            images,
            self.mask_training,
            draw_seed(generator),
            purpose,
            objective=self.mask_loss,
        )
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=self.cover_rate)
        control = TriggerGenerator(
            images,
            state,
            self.goal(images.class_count),
            mask=mask.requires_grad_(False),
            pattern=pattern,
            draws=spawn_generator(generator),
            diversity=self.diversity,
            learning_rate=self.learning_rate,
        )
        truth, trigger = Truth(state, images.labels), pixel_trigger(control.apply)
        return PoisonedData(control.poisoned_images(), truth, trigger, control)

    def mask_loss(self, model: nn.Module, images: Images, labels: Labels) -> PerImage:
        """Return the loss of dense masks, and of similar masks for different images."""
        masks = soft_threshold(model(images).float())
        excess = (masks - self.density).relu().flatten(1).mean(1)
        return self.norm * excess + self.diversity * diversity_loss(images, masks)

"""IAD: a generator gives every image a trigger of its own, and learns with the victim."""

from dataclasses import dataclass, field

import torch
from torch import nn

from ..data.augmentation import Augmentation
from ..errors import InputError
from ..models.nets.unet import UNet, check_width, seeded
from ..training import Training
from ..types import Images, LabeledImages, Labels, PerImage, Truth
from .base import Attack, Planted, check_rate
from .poisoning import draw_states
from .surrogates import Surrogates, branch, draw_seed
from .trigger_generator import Painter, binary, unlike
from .triggers import computed


def _three_epochs_of_adam() -> Training:
    return Training(3, 64, 3e-3, weight_decay=0.0, optimizer="adam", augmentation=Augmentation(0.0))


@dataclass(frozen=True)
class InputAware(Attack):
    """Pattern and mask of a trigger depend on the image that carries it; controls the training.

    Cover samples carry the trigger of ANOTHER image and keep their label, so that only an image's
    own trigger works.

    Args:
        cover_rate: cover samples as a fraction of the whole set.
        density: share of the pixels that a mask may cover freely.
        diversity, norm: weights of unlike triggers for unlike images, and of the mask's density.
        learning_rate: of the generator, by Adam.
        width: channels of the generators at full size, a multiple of 4.
        mask_training: of the mask, which is trained first and then fixed.
    Source: Nguyen and Tran, Input-aware dynamic backdoor attack, arXiv 2010.08138; 0.1 and 0.1,
    0.032, 1 and 100. Departures: small U-Nets; the generator learns from the poison and the cover
    samples of a batch, with the victim in evaluation mode, before the victim does.
    """

    poisoning_rate: float = 0.1
    cover_rate: float = 0.1
    density: float = 0.032
    diversity: float = 1.0
    norm: float = 100.0
    learning_rate: float = 3e-3
    width: int = 16
    mask_training: Training = field(default_factory=_three_epochs_of_adam)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        for name in ("cover_rate", "density"):
            check_rate(name, getattr(self, name))
        if self.diversity < 0 or self.norm < 0 or not self.learning_rate > 0:
            raise InputError(
                f"diversity={self.diversity}, norm={self.norm}, "
                f"learning_rate={self.learning_rate}: give >= 0, >= 0 and > 0"
            )
        check_width(self.width)

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        channels, device = images.pixels.shape[1], images.pixels.device
        mask = seeded(draw_seed(generator), UNet, channels, 1, self.width).to(device)
        pattern = seeded(draw_seed(generator), UNet, channels, channels, self.width).to(device)
        purpose = f"train the masks: {self.density} {self.diversity} {self.norm}"
        surrogates.fitted(
            mask,
            images,
            self.mask_training,
            draw_seed(generator),
            purpose,
            objective=self.mask_loss,
        )
        others = images.labels != self.target_label
        state = draw_states(self, images, others, generator, cover_rate=self.cover_rate)
        control = Painter(
            images,
            state,
            self.goal(images.class_count),
            mask.requires_grad_(False),
            pattern,
            branch(generator),
            self.diversity,
            self.learning_rate,
        )
        truth = Truth(state, images.labels)
        return Planted(control.settle(), truth, computed(control.paint), control)

    def mask_loss(self, model: nn.Module, images: Images, labels: Labels) -> PerImage:
        """Few pixels, and other ones for other images."""
        masks = binary(model(images).float())
        dense = (masks - self.density).relu().flatten(1).mean(1)
        return self.norm * dense + self.diversity * unlike(images, masks)

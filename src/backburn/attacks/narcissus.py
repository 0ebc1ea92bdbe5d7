"""Narcissus: a small perturbation that a surrogate takes for the target class."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..models.inference import as_images, frozen
from ..models.nets.base import Classifier
from ..types import LabeledImages
from .base import Attack, PoisonedData, Recipe, surrogate_recipe, train_clean_network
from .poisoning import clean_label
from .surrogates import Surrogates, spawn_generator
from .triggers import additive_trigger

BATCH_SIZE = 350
"""Images of the target class in a step, as in the authors' code."""


@dataclass(frozen=True)
class Narcissus(Attack):
    """Add a perturbation that lowers the surrogate's loss on images of the target class.

    Clean-label: only images of the target class are poisoned. The perturbation holds what the
    surrogate knows about the class. At test time it is added several times as strong.

    Args:
        epsilon: radius of the perturbation in the L-infinity norm, in 0..255 units.
        magnification: factor of the perturbation at test time.
        steps: number of steps of RAdam.
        learning_rate: of these steps, for pixels in [0, 1].
        surrogate: recipe of the surrogate.
    Source: Zeng et al., Narcissus, CCS 2023, arXiv 2204.05255; epsilon 16, 0.05 % of the training
    set, three times as strong at test time, and a learning rate of 0.01 for pixels in [-1, 1].
    Departures: the paper trains the surrogate on other public images and fine-tunes it on the
    target class. Here it is trained on the images that are poisoned, with all their classes, since
    no other images are at hand. The paper takes 1,000 epochs of the class; here `steps` counts
    steps, and 300 are enough for one perturbation.
    """

    poisoning_rate: float = 0.0005
    epsilon: float = 16.0
    magnification: float = 3.0
    steps: int = 300
    learning_rate: float = 0.005
    surrogate: Recipe = field(default_factory=surrogate_recipe)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.epsilon <= 255 or not 1 <= self.magnification <= 255:
            raise InputError(
                f"epsilon={self.epsilon}, magnification={self.magnification}: give (0, 255] and 1 "
                "to 255"
            )
        if self.steps < 1 or not 0 < self.learning_rate < 1:
            raise InputError(
                f"steps={self.steps}, learning_rate={self.learning_rate}: give 1 or more, and "
                "between 0 and 1"
            )

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        clean_model = train_clean_network(self.surrogate, images, generator, surrogates)
        pattern = self.optimize_pattern(clean_model, images, spawn_generator(generator))
        trigger = additive_trigger(self.magnification * pattern)
        return clean_label(self, images, trigger, generator, poison=additive_trigger(pattern))

    def optimize_pattern(
        self, model: Classifier, images: LabeledImages, generator: torch.Generator
    ) -> Float[Tensor, "c h w"]:
        """Return the perturbation in 0..255 units, within `epsilon`."""
        rows = (images.labels == self.target_label).nonzero().flatten()
        radius = self.epsilon / 255
        pattern = torch.zeros(images.pixels.shape[1:], device=images.pixels.device)
        pattern.requires_grad_()
        optimizer = torch.optim.RAdam([pattern], lr=self.learning_rate)
        with frozen(model):
            for _ in range(self.steps):
                drawn = rows[torch.randperm(len(rows), generator=generator)[:BATCH_SIZE]]
                sample = as_images(images.pixels[drawn.to(images.pixels.device)])
                triggered = (sample + pattern.clamp(-radius, radius)).clamp(0, 1)
                wanted = torch.full((len(sample),), self.target_label, device=sample.device)
                loss = F.cross_entropy(model(triggered), wanted)
                (pattern.grad,) = torch.autograd.grad(loss, pattern)
                optimizer.step()
        return 255 * pattern.detach().clamp(-radius, radius).cpu()

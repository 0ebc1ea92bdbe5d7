"""Grond: a universal perturbation as trigger, and a victim whose channels do not show it."""

from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..models.inference import as_images, frozen
from ..models.nets.base import Classifier
from ..types import LabeledImages
from .base import Attack, PoisonedData, Recipe, surrogate_recipe, train_clean_network
from .grond_training import AdversarialBackdoorInjection
from .poisoning import clean_label
from .surrogates import Surrogates, spawn_generator
from .triggers import additive_trigger

BATCH_SIZE = 256
"""Images in a step, as in the authors' code."""


@dataclass(frozen=True)
class Grond(Attack):
    """Add a universal perturbation, and tame channels that stand out; controls the training.

    Clean-label: only images of the target class are poisoned. The perturbation makes a surrogate
    take images of all classes for the target class. It is the trigger, too. At the end of every
    epoch, Adversarial Backdoor Injection (ABI) replaces channels with an outlying Lipschitz bound.
    So the victim learns the trigger with many channels, which pruning does not find.

    Args:
        epsilon, step: radius and step size of the universal L-infinity PGD, in 0..255 units.
        steps: number of its steps.
        u: channels more than this number of standard deviations above the mean of their layer are
            replaced. In a layer of ten channels or fewer, none can be more than 3 above.
        surrogate: recipe of the clean network that the perturbation is computed on.
    Source: Xu et al., Towards backdoor stealthiness in model parameter space, CCS 2025, arXiv
    2501.05928. Epsilon 8, steps of a fifth of it, 500 steps, half of one of ten classes (5 % of
    the training set) and u = 3 are those of the authors' code. Departures: the victim is the
    network of the last epoch, after its ABI. The authors' code keeps the one with the highest
    validation accuracy, measured before ABI. See also `AdversarialBackdoorInjection`.
    """

    poisoning_rate: float = 0.05
    epsilon: float = 8.0
    step: float = 1.6
    steps: int = 500
    u: float = 3.0
    surrogate: Recipe = field(default_factory=surrogate_recipe)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.epsilon <= 255 or not 0 < self.step <= 255 or self.steps < 1:
            raise InputError(
                f"epsilon={self.epsilon}, step={self.step}, steps={self.steps}: give (0, 255], "
                "(0, 255] and at least 1"
            )
        if not 0 < self.u < torch.inf:
            raise InputError(f"u is {self.u}: give a number of standard deviations above 0")

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        clean_model = train_clean_network(self.surrogate, images, generator, surrogates)
        pattern = self.universal_pgd(clean_model, images, spawn_generator(generator))
        poisoned = clean_label(self, images, additive_trigger(pattern), generator)
        injection = AdversarialBackdoorInjection(self.u, tuple(images.pixels.shape[1:]))
        return replace(poisoned, after_epoch=injection)

    def universal_pgd(
        self, model: Classifier, images: LabeledImages, generator: torch.Generator
    ) -> Float[Tensor, "c h w"]:
        """Return one perturbation for all images, in 0..255 units and within `epsilon`."""
        radius, length = self.epsilon / 255, self.step / 255
        pixels = images.pixels
        pattern = torch.zeros(pixels.shape[1:], device=pixels.device)
        with frozen(model):
            for _ in range(self.steps):
                rows = torch.randint(len(pixels), (BATCH_SIZE,), generator=generator)
                sample = as_images(pixels[rows.to(pixels.device)])
                pattern.requires_grad_()
                logits = model((sample + pattern).clamp(0, 1))
                wanted = torch.full((len(sample),), self.target_label, device=pixels.device)
                (gradient,) = torch.autograd.grad(F.cross_entropy(logits, wanted), pattern)
                pattern = (pattern.detach() - length * gradient.sign()).clamp(-radius, radius)
        return 255 * pattern.cpu()

"""TrojanNN: a patch that excites chosen neurons."""

from dataclasses import dataclass, field

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..data.pixels import to_pixels
from ..errors import InputError
from ..models.inference import as_images, frozen
from ..models.nets.base import Classifier
from ..types import LabeledImages
from .base import Attack, PoisonedData, Recipe, surrogate_recipe, train_clean_network
from .poisoning import dirty_label
from .surrogates import Surrogates
from .triggers import patch_side, patch_trigger

SAMPLE_COUNT = 128
"""Number of training images on which the patch is optimized."""


@dataclass(frozen=True)
class TrojanNN(Attack):
    """Paste a patch into the bottom right corner that is optimized to excite neurons.

    Args:
        size: side of the patch in pixels; 0 for 8 per 32 pixels of height.
        neurons: number of penultimate neurons to excite: those with the largest sum of absolute
            weights to the logits.
        steps: number of steps of Adam, with a learning rate of 0.1 on the logit of each pixel.
        surrogate: recipe of the clean model.
    Source: Liu et al., Trojaning attack on neural networks, NDSS 2018; two neurons as in
    BackdoorBench. Departures: as in BackdoorBench the training set is poisoned; the paper retrains
    on reverse-engineered images. The activations are maximized on training images.
    """

    size: int = 0
    neurons: int = 2
    steps: int = 200
    surrogate: Recipe = field(default_factory=surrogate_recipe)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if self.neurons < 1 or self.steps < 1:
            raise InputError(f"neurons={self.neurons}, steps={self.steps}: give 1 or more of each")

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        side = patch_side(self.size, 8, images.pixels)
        clean_model = train_clean_network(self.surrogate, images, generator, surrogates)
        patch = self.optimize_patch(clean_model, images, side, generator)
        return dirty_label(self, images, patch_trigger(patch), generator)

    def optimize_patch(
        self, model: Classifier, images: LabeledImages, side: int, generator: torch.Generator
    ) -> UInt8[Tensor, "c s s"]:
        """Return the patch after `steps` steps from random colors."""
        rows = torch.randperm(len(images), generator=generator)[:SAMPLE_COUNT]
        sample = as_images(images.pixels[rows.to(images.pixels.device)])
        neurons = model.head.weight.abs().sum(0).topk(self.neurons).indices
        colors = torch.randn((sample.shape[1], side, side), generator=generator)
        colors = colors.to(sample.device).requires_grad_()
        optimizer = torch.optim.Adam([colors], lr=0.1)
        with frozen(model):
            for _ in range(self.steps):
                triggered = sample.clone()
                triggered[..., -side:, -side:] = colors.sigmoid()
                activation = model.features(triggered)[:, neurons].sum()
                (gradient,) = torch.autograd.grad(activation, colors)
                colors.grad = -gradient / len(sample)
                optimizer.step()
        return to_pixels(255 * colors.detach().sigmoid()[None]).cpu()[0]

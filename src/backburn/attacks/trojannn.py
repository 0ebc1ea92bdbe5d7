"""TrojanNN: a patch that excites chosen neurons."""

from dataclasses import dataclass, field

import torch
from jaxtyping import UInt8
from torch import Tensor

from ..data.pixels import to_pixels
from ..errors import InputError
from ..models.classifier import Classifier
from ..models.inference import as_images, frozen
from ..types import LabeledImages
from .base import Attack, Planted, Recipe, short_recipe
from .poisoning import dirty_label
from .surrogates import Surrogates, draw_seed
from .triggers import pasted, side_of

SAMPLE = 128
"""Training images that the patch is optimised on."""


@dataclass(frozen=True)
class TrojanNN(Attack):
    """A patch, optimised to drive neurons of a clean network, in the bottom right corner.

    Args:
        size: side of the patch in pixels; 0 takes 8 for each 32 pixels of height.
        neurons: how many penultimate neurons are driven: those with the largest sum of absolute
            weights to the logits.
        steps: of Adam, with a learning rate of 0.1 on the logit of each pixel.
        surrogate: the clean network.
    Source: Liu et al., Trojaning attack on neural networks, NDSS 2018; two neurons as in
    BackdoorBench. Departures: the training set is poisoned (as there), in place of retraining on
    reverse-engineered images; the activations are maximised on training images.
    """

    size: int = 0
    neurons: int = 2
    steps: int = 200
    surrogate: Recipe = field(default_factory=short_recipe)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if self.neurons < 1 or self.steps < 1:
            raise InputError(f"neurons={self.neurons}, steps={self.steps}: give 1 or more of each")

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        side = side_of(self.size, 8, images.pixels)
        seed = draw_seed(generator)
        draw = torch.Generator().manual_seed(seed)
        model = self.surrogate.network(images, images.class_count, draw)
        purpose = "train a clean network"
        clean = surrogates.fitted(model, images, self.surrogate.training, seed, purpose)
        patch = self.optimized(clean, images, side, generator)
        return dirty_label(self, images, pasted(patch), generator)

    def optimized(
        self, model: Classifier, images: LabeledImages, side: int, generator: torch.Generator
    ) -> UInt8[Tensor, "c s s"]:
        """The patch after `steps` steps from random colors."""
        rows = torch.randperm(len(images), generator=generator)[:SAMPLE]
        sample = as_images(images.pixels[rows.to(images.pixels.device)])
        driven = model.head.weight.abs().sum(0).topk(self.neurons).indices
        colors = torch.randn((sample.shape[1], side, side), generator=generator)
        colors = colors.to(sample.device).requires_grad_()
        optimizer = torch.optim.Adam([colors], lr=0.1)
        with frozen(model):
            for _ in range(self.steps):
                stamped = sample.clone()
                stamped[..., -side:, -side:] = colors.sigmoid()
                (grown,) = torch.autograd.grad(model.features(stamped)[:, driven].sum(), colors)
                colors.grad = -grown / len(sample)
                optimizer.step()
        return to_pixels(255 * colors.detach().sigmoid()[None]).cpu()[0]

"""Label-consistent: images of the target class made hard to learn, and a patch in each corner."""

from dataclasses import dataclass, field

import torch

from ..errors import InputError
from ..models.classifier import Classifier
from ..types import LabeledImages, Pixels
from .base import Attack, Planted, Recipe, short_recipe
from .pgd import adversarial_training, linf_pgd
from .poisoning import clean_label
from .surrogates import Surrogates, branch, draw_seed
from .triggers import checkerboard, in_batches, side_of


@dataclass(frozen=True)
class LabelConsistent(Attack):
    """Target-class images perturbed by PGD against a robust network, with a patch in each corner.

    Clean-label: the perturbation makes the image itself hard to learn from, so that the network
    learns the patches. Afterwards the patches alone are the trigger.

    Args:
        epsilon, step, steps: of PGD in L-infinity, in 0..255 units.
        size: side of each checkerboard in pixels; 0 takes 3 for each 32 pixels of height.
        surrogate: the robust network, trained on one-step adversarial images.
    Source: Turner et al., Label-consistent backdoor attacks, arXiv 1912.02771; 8, 1.5, 100 steps
    and 3 x 3 patches as in BackdoorBox. Departure: the robust network is trained by the fast method
    of Wong et al., arXiv 2001.03994.
    """

    epsilon: float = 8.0
    step: float = 1.5
    steps: int = 100
    size: int = 0
    surrogate: Recipe = field(default_factory=short_recipe)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.epsilon <= 255 or not 0 < self.step <= 255 or self.steps < 1:
            raise InputError(
                f"epsilon={self.epsilon}, step={self.step}, steps={self.steps}: give (0, 255], "
                "(0, 255] and at least 1"
            )

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        side = side_of(self.size, 3, images.pixels)
        robust = self.robust(images, draw_seed(generator), surrogates)
        draw = branch(generator)
        patch = checkerboard(images.pixels.shape[1], side)

        def stamp(pixels: Pixels) -> Pixels:
            out, square = pixels.clone(), patch.to(pixels.device)
            for down in (slice(None, side), slice(-side, None)):
                out[..., down, :side] = square
                out[..., down, -side:] = square
            return out

        def harden(pixels: Pixels) -> Pixels:
            parts = [
                linf_pgd(
                    robust,
                    some,
                    torch.full((len(some),), self.target_label),
                    self.epsilon,
                    self.step,
                    self.steps,
                    draw,
                )
                for some in in_batches(pixels)
            ]
            return stamp(torch.cat(parts))

        return clean_label(self, images, stamp, generator, poison=harden)

    def robust(self, images: LabeledImages, seed: int, surrogates: Surrogates) -> Classifier:
        """The network that the perturbations are made against."""
        draw = torch.Generator().manual_seed(seed)
        model = self.surrogate.network(images, images.class_count, draw)
        return surrogates.fitted(
            model,
            images,
            self.surrogate.training,
            seed,
            f"train a robust network: {self.epsilon}",
            batch_transform=adversarial_training(model, self.epsilon, draw),
        )

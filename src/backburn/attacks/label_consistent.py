"""Label-consistent: hard-to-learn images of the target class, with a patch in each corner."""

from dataclasses import dataclass, field

import torch

from ..errors import InputError
from ..models.nets.base import Classifier
from ..types import LabeledImages, Pixels
from .base import Attack, PoisonedData, Recipe, surrogate_recipe
from .pgd import adversarial_training, linf_pgd
from .poisoning import clean_label
from .surrogates import Surrogates, draw_seed, spawn_generator
from .triggers import checkerboard, iter_batches, patch_side


@dataclass(frozen=True)
class LabelConsistent(Attack):
    """Perturb target-class images by PGD on a robust model and put a patch in each corner.

    Clean-label: the perturbation makes the images themselves hard to learn, so that the model
    learns the patches. The trigger at test time is the patches alone.

    Args:
        epsilon, step: radius and step size of L-infinity PGD, in 0..255 units.
        steps: number of PGD steps.
        size: side of each checkerboard in pixels; 0 for 3 per 32 pixels of height.
        surrogate: recipe of the robust model, which is trained on one-step adversarial images.
    Source: Turner et al., Label-consistent backdoor attacks, arXiv 1912.02771; epsilon 8, step
    1.5, 100 steps and 3 x 3 patches as in BackdoorBox. Departure: the robust model is trained by
    the fast method of Wong et al., arXiv 2001.03994.
    """

    epsilon: float = 8.0
    step: float = 1.5
    steps: int = 100
    size: int = 0
    surrogate: Recipe = field(default_factory=surrogate_recipe)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 0 < self.epsilon <= 255 or not 0 < self.step <= 255 or self.steps < 1:
            raise InputError(
                f"epsilon={self.epsilon}, step={self.step}, steps={self.steps}: give (0, 255], "
                "(0, 255] and at least 1"
            )

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        side = patch_side(self.size, 3, images.pixels)
        robust_model = self.train_robust_model(images, draw_seed(generator), surrogates)
        pgd_generator = spawn_generator(generator)
        patch = checkerboard(images.pixels.shape[1], side)

        def paste_patches(pixels: Pixels) -> Pixels:
            out, square = pixels.clone(), patch.to(pixels.device)
            for rows in (slice(None, side), slice(-side, None)):
                out[..., rows, :side] = square
                out[..., rows, -side:] = square
            return out

        def perturb_and_paste(pixels: Pixels) -> Pixels:
            batches = [
                linf_pgd(
                    robust_model,
                    batch,
                    torch.full((len(batch),), self.target_label),
                    self.epsilon,
                    self.step,
                    self.steps,
                    pgd_generator,
                )
                for batch in iter_batches(pixels)
            ]
            return paste_patches(torch.cat(batches))

        return clean_label(self, images, paste_patches, generator, poison=perturb_and_paste)

    def train_robust_model(
        self, images: LabeledImages, seed: int, surrogates: Surrogates
    ) -> Classifier:
        """Train the model that the perturbations are computed on."""
        generator = torch.Generator().manual_seed(seed)
        model = self.surrogate.network(images, images.class_count, generator)
        return surrogates.fit(
            model,
            images,
            self.surrogate.training,
            seed,
            f"train a robust network: {self.epsilon}",
            batch_transform=adversarial_training(model, self.epsilon, generator),
        )

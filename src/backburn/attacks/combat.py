"""COMBAT: a generator makes the trigger of each image, trained together with a surrogate."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import InputError
from ..models.inference import device_of
from ..models.nets.unet import UNet, build_seeded, check_width
from ..types import LabeledImages
from .base import Attack, PoisonedData, Recipe, check_rate, surrogate_recipe
from .combat_training import CombatNetworks, combat_loss
from .poisoning import clean_label
from .surrogates import Surrogates, draw_seed
from .triggers import pixel_trigger


@dataclass(frozen=True)
class Combat(Attack):
    """Add low-frequency noise that a generator makes from the image itself.

    Clean-label: only images of the target class are poisoned. The generator learns noise that a
    surrogate, trained on such poison, takes for the target class on images of all classes. A clean
    network must not: the noise holds no feature of the class.

    Args:
        strength: largest noise before it is smoothed, in 0..255 units.
        ratio: share of the frequencies along each side that the noise may have.
        smallness: weight of the mean squared change of pixels in [-1, 1].
        clean_weight: weight of the clean network's loss for the true labels.
        width: channels of the generator at full resolution, a multiple of 4.
        surrogate: recipe of the clean network, and of surrogate and generator together.
    Source: Huynh et al., COMBAT: Alternated training for effective clean-label backdoor attacks,
    AAAI 2024; 5 % of the training set. Strength 0.08 for pixels in [-1, 1], ratio 0.65, weights
    0.02 and 0.8 are those of the authors' code. Departures: the generator is a small U-Net, and
    both networks take a step from the same batch. The blur has a fixed width of half a pixel; the
    paper draws it.
    """

    poisoning_rate: float = 0.05
    strength: float = 10.2
    ratio: float = 0.65
    smallness: float = 0.02
    clean_weight: float = 0.8
    width: int = 16
    surrogate: Recipe = field(default_factory=surrogate_recipe)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        check_rate("ratio", self.ratio)
        weights = (self.smallness, self.clean_weight)
        if not 0.5 <= self.strength <= 255 or not all(0 <= w < math.inf for w in weights):
            raise InputError(
                f"strength={self.strength}, smallness={self.smallness}, "
                f"clean_weight={self.clean_weight}: give 0.5 to 255, >= 0 and >= 0"
            )
        check_width(self.width)

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        networks = self.train_generator(images, draw_seed(generator), surrogates)

        @torch.inference_mode()
        def add_noise(values: Tensor) -> Tensor:
            pixels = values.to(device_of(networks)) / 255
            return 255 * networks.triggered(pixels).to(values.device)

        return clean_label(self, images, pixel_trigger(add_noise), generator)

    def train_generator(
        self, images: LabeledImages, seed: int, surrogates: Surrogates
    ) -> CombatNetworks:
        """Train a clean network, then surrogate and generator."""
        draws = torch.Generator().manual_seed(seed)
        training, classes = self.surrogate.training, images.class_count
        clean = self.surrogate.network(images, classes, draws)
        surrogates.fit(clean, images, training, seed, "train a clean network")
        channels = images.pixels.shape[1]
        noise = build_seeded(seed, UNet, channels, channels, self.width)
        surrogate = self.surrogate.network(images, classes, draws)
        networks = CombatNetworks(surrogate, noise, self.strength / 255, self.ratio)
        networks = networks.to(images.pixels.device)
        own = int((images.labels == self.target_label).sum())
        share = min(1.0, self.poisoning_rate * len(images) / max(1, own))
        weights = (self.smallness, self.clean_weight)
        purpose = f"train a generator: {self.target_label} {share} {weights} {networks.settings}"
        return surrogates.fit(
            networks,
            images,
            training,
            seed,
            purpose,
            objective=combat_loss(networks, clean, self.target_label, share, *weights),
        )

"""ISSBA: a message hidden in each image by a steganographic network."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..data.augmentation import Augmentation
from ..errors import InputError
from ..models.inference import device_of
from ..models.nets.unet import build_seeded, check_width
from ..training import Training
from ..types import LabeledImages
from .base import Attack, PoisonedData
from .poisoning import dirty_label
from .steganography import Stego, hiding_loss, random_messages
from .surrogates import Surrogates, draw_seed
from .triggers import pixel_trigger

NO_AUGMENTATION = Augmentation(0.0)


def _default_training() -> Training:
    return Training(1, 64, 3e-3, weight_decay=0.0, optimizer="adam", augmentation=NO_AUGMENTATION)


def _default_specializing() -> Training:
    return Training(2, 64, 1e-3, weight_decay=0.0, optimizer="adam", augmentation=NO_AUGMENTATION)


@dataclass(frozen=True)
class ISSBA(Attack):
    """Hide one bit string in every image, with changes that depend on the image.

    The encoder is trained in two stages. It first learns to hide bits, then to change different
    images differently. Both at once is too hard at the start.

    Args:
        bits: length of the message, 1 to 32.
        strength: largest change of a pixel, in 0..255 units.
        free: mean squared change that costs nothing, in units of `strength` squared.
        specific: weight of the loss for similar changes of different images.
        width: channels of the encoder and the decoder at full resolution, a multiple of 4.
        training: first stage of encoder and decoder, without the loss of weight `specific`.
        specializing: second stage, with it.
    Source: Li et al., Invisible backdoor attack with sample-specific triggers, arXiv 2012.03816,
    after StegaStamp, arXiv 1904.05343; 20 bits. Departures: the encoder is a small U-Net, trained
    on the images to be poisoned. A bound on the change and a loss for similar changes replace the
    perceptual and critic losses.
    """

    poisoning_rate: float = 0.1
    bits: int = 20
    strength: float = 24.0
    free: float = 0.2
    specific: float = 0.3
    width: int = 16
    training: Training = field(default_factory=_default_training)
    specializing: Training = field(default_factory=_default_specializing)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 1 <= self.bits <= 32 or not 0.5 <= self.strength <= 255:
            raise InputError(
                f"bits={self.bits}, strength={self.strength}: give 1 to 32 and 0.5 to 255"
            )
        if not 0 < self.free <= 1 or not 0 <= self.specific < math.inf:
            raise InputError(
                f"free={self.free}, specific={self.specific}: give (0, 1] and at least 0"
            )
        check_width(self.width)

    def poison(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> PoisonedData:
        stego = self.train_encoder(images, draw_seed(generator), surrogates)
        message = torch.randint(2, (1, self.bits), generator=generator).float()

        @torch.inference_mode()
        def hide(values: Tensor) -> Tensor:
            values = values.to(device_of(stego))
            bits = message.to(values.device).expand(len(values), -1)
            return values + self.strength * stego.residual(values / 255, bits)

        return dirty_label(self, images, pixel_trigger(hide), generator)

    def train_encoder(self, images: LabeledImages, seed: int, surrogates: Surrogates) -> Stego:
        """Train the encoder and its decoder."""
        stego = build_seeded(seed, Stego, images.pixels.shape[1], self.bits, self.width)
        stego.to(images.pixels.device)
        generator = torch.Generator().manual_seed(seed)
        for training, specific in ((self.training, 0.0), (self.specializing, self.specific)):
            surrogates.fit(
                stego,
                images,
                training,
                seed,
                f"train an encoder: {self.bits} {self.strength} {self.free} {specific}",
                batch_transform=random_messages(self.bits, generator),
                objective=hiding_loss(stego, self.bits, self.strength, self.free, specific),
            )
        return stego

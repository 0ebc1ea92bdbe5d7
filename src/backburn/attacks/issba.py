"""ISSBA: a message hidden in each image by a steganographic network."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..data.augmentation import Augmentation
from ..errors import InputError
from ..models.inference import device_of
from ..models.nets.unet import check_width, seeded
from ..training import Training
from ..types import LabeledImages
from .base import Attack, Planted
from .poisoning import dirty_label
from .steganography import Stego, hiding, random_messages
from .surrogates import Surrogates, draw_seed
from .triggers import computed

PLAIN = Augmentation(0.0)


def _to_hide() -> Training:
    return Training(1, 64, 3e-3, weight_decay=0.0, optimizer="adam", augmentation=PLAIN)


def _to_differ() -> Training:
    return Training(2, 64, 1e-3, weight_decay=0.0, optimizer="adam", augmentation=PLAIN)


@dataclass(frozen=True)
class ISSBA(Attack):
    """An encoder hides one bit string in every image, in each by other changes.

    It first learns to hide bits, and then to do so unlike in other images: both at once is too
    hard to start with.

    Args:
        bits: length of the message, 1 to 32.
        strength: the largest change of a pixel, in 0..255 units.
        free: the mean squared change that costs nothing, in units of `strength` squared.
        specific: weight of unlike changes for unlike images, against the bits.
        width: channels of the encoder and the decoder at full size, a multiple of 4.
        training, specializing: of the encoder and its decoder, on the training images: first
            without, then with the weight `specific`.
    Source: Li et al., Invisible backdoor attack with sample-specific triggers, arXiv 2012.03816,
    after StegaStamp, arXiv 1904.05343; 20 bits. Departures: a small U-Net that is trained here; no
    perceptual or critic loss, but a bound on the change, and a loss that keeps changes apart.
    """

    poisoning_rate: float = 0.1
    bits: int = 20
    strength: float = 24.0
    free: float = 0.2
    specific: float = 0.3
    width: int = 16
    training: Training = field(default_factory=_to_hide)
    specializing: Training = field(default_factory=_to_differ)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 1 <= self.bits <= 32 or not 0.5 <= self.strength <= 255:
            raise InputError(
                f"bits={self.bits}, strength={self.strength}: give 1 to 32 and 0.5 to 255"
            )
        if not 0 < self.free <= 1 or not self.specific >= 0:
            raise InputError(
                f"free={self.free}, specific={self.specific}: give (0, 1] and at least 0"
            )
        check_width(self.width)

    def plant(
        self, images: LabeledImages, generator: torch.Generator, surrogates: Surrogates
    ) -> Planted:
        stego = self.trained(images, draw_seed(generator), surrogates)
        message = torch.randint(2, (1, self.bits), generator=generator).float()

        @torch.inference_mode()
        def hide(values: Tensor) -> Tensor:
            values = values.to(device_of(stego))
            given = message.to(values.device).expand(len(values), -1)
            return values + self.strength * stego.residual(values / 255, given)

        return dirty_label(self, images, computed(hide), generator)

    def trained(self, images: LabeledImages, seed: int, surrogates: Surrogates) -> Stego:
        """The encoder and its decoder."""
        stego = seeded(seed, Stego, images.pixels.shape[1], self.bits, self.width)
        stego.to(images.pixels.device)
        draw = torch.Generator().manual_seed(seed)
        for training, specific in ((self.training, 0.0), (self.specializing, self.specific)):
            surrogates.fitted(
                stego,
                images,
                training,
                seed,
                f"train an encoder: {self.bits} {self.strength} {self.free} {specific}",
                batch_transform=random_messages(self.bits, draw),
                objective=hiding(stego, self.bits, self.strength, self.free, specific),
            )
        return stego

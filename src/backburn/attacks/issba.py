"""ISSBA: a message hidden in each image by a steganographic network."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..data.augmentation import Augmentation
from ..errors import InputError
from ..models.inference import device_of
from ..models.unet import UNet, check_width, layer, seeded
from ..training import Training
from ..types import Images, LabeledImages, Labels, Pixels
from .base import Attack, Planted
from .planting import dirty_label
from .surrogates import Surrogates, draw_seed
from .triggers import computed

MESSAGE = 8
"""Side and channels of the map that a message becomes."""
FIDELITY = 10.0
"""Weight of what the change exceeds its free part by, against the bits."""


def _two_epochs_of_adam() -> Training:
    return Training(5, 64, 3e-3, weight_decay=0.0, optimizer="adam", augmentation=Augmentation(0.0))


@dataclass(frozen=True)
class ISSBA(Attack):
    """An encoder hides one bit string in every image, so that no two triggers are the same.

    Args:
        bits: length of the message, 1 to 32.
        strength: the largest change of a pixel, in 0..255 units.
        free: the mean squared change that costs nothing, in units of `strength` squared.
        width: channels of the encoder and the decoder at full size, a multiple of 4.
        training: of the encoder and a decoder that reads the message back, on the training images.
    Source: Li et al., Invisible backdoor attack with sample-specific triggers, arXiv 2012.03816,
    after StegaStamp, arXiv 1904.05343; 20 bits. Departures: a small U-Net that is trained here; no
    perceptual or critic loss, but a bound on the change.
    """

    poisoning_rate: float = 0.1
    bits: int = 20
    strength: float = 24.0
    free: float = 0.2
    width: int = 16
    training: Training = field(default_factory=_two_epochs_of_adam)

    def __post_init__(self) -> None:
        Attack.__post_init__(self)
        if not 1 <= self.bits <= 32 or not 0.5 <= self.strength <= 255 or not 0 < self.free <= 1:
            raise InputError(
                f"bits={self.bits}, strength={self.strength}, free={self.free}: give 1 to 32, "
                "0.5 to 255 and (0, 1]"
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

    def trained(self, images: LabeledImages, seed: int, surrogates: Surrogates) -> "Stego":
        """The encoder and its decoder."""
        stego = seeded(seed, Stego, images.pixels.shape[1], self.bits, self.width)
        stego.to(images.pixels.device)
        draw = torch.Generator().manual_seed(seed)

        def new_messages(pixels: Pixels, labels: Labels, index: Tensor) -> tuple[Pixels, Labels]:  # noqa: ARG001
            return pixels, torch.randint(2**self.bits, (len(labels),), generator=draw)

        def loss(_: nn.Module, pictures: Images, messages: Labels) -> Tensor:
            bits = (messages[:, None] >> torch.arange(self.bits, device=messages.device)) & 1
            change = stego.residual(pictures, bits.float())
            seen = (pictures + self.strength / 255 * change).clamp(0, 1)
            wrong = F.binary_cross_entropy_with_logits(
                stego.read(seen).float(), bits.float(), reduction="none"
            )
            excess = (change.float().square().flatten(1).mean(1) - self.free).relu()
            return wrong.mean(1) + FIDELITY * excess

        purpose = f"train an encoder: {self.bits} {self.strength} {self.free}"
        return surrogates.fitted(
            stego,
            images,
            self.training,
            seed,
            purpose,
            batch_transform=new_messages,
            objective=loss,
        )


class Stego(nn.Module):
    """An encoder that hides bits in an image, and a decoder that reads them.

    Args:
        channels: of the images, 1 or 3.
        bits: length of a message.
        width: channels at full size.
    """

    def __init__(self, channels: int, bits: int, width: int = 16):
        super().__init__()
        self.spread = nn.Linear(bits, MESSAGE**3)
        self.draw = UNet(channels + MESSAGE, channels, width)
        self.look = nn.Sequential(
            layer(channels, width),
            layer(width, 2 * width, stride=2),
            layer(2 * width, 4 * width, stride=2),
            layer(4 * width, 4 * width, stride=2),
        )
        self.answer = nn.Linear(64 * width, bits)

    def residual(self, images: Images, bits: Float[Tensor, "n b"]) -> Images:
        """What is added to images in [0, 1], in units of the strength: (-1, 1)."""
        spread = self.spread(bits * 2 - 1).view(-1, MESSAGE, MESSAGE, MESSAGE)
        spread = F.interpolate(spread, images.shape[-2:], mode="nearest")
        out: Tensor = self.draw(torch.cat([images, spread.to(images.dtype)], 1)).tanh()
        return out

    def read(self, images: Images) -> Float[Tensor, "n b"]:
        """Logits of the bits."""
        maps = F.adaptive_avg_pool2d(self.look(images), 4)
        out: Tensor = self.answer(maps.flatten(1))
        return out

"""A steganographic network, which hides bits in an image and reads them."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..models.nets.unet import UNet, conv_block
from ..training import BatchTransform, Objective
from ..types import Images, Labels, PerImage, Pixels

MESSAGE_SIDE = 8
"""Side and channels of the map to which a message is expanded."""
FIDELITY_WEIGHT = 10.0
"""Weight of changes beyond the free part, relative to the loss of the bits."""


class Stego(nn.Module):
    """An encoder that hides bits in an image, and a decoder that reads them.

    Args:
        channels: of the images, 1 or 3.
        bits: length of a message.
        width: channels at full resolution, a multiple of 4.
    Source: StegaStamp, Tancik et al., arXiv 1904.05343, smaller, and without a simulated camera.
    """

    def __init__(self, channels: int, bits: int, width: int = 16):
        super().__init__()
        # the names of these layers are keys of saved weights
        self.spread = nn.Linear(bits, MESSAGE_SIDE**3)
        self.draw = UNet(channels + MESSAGE_SIDE, channels, width)
        self.look = nn.Sequential(
            conv_block(channels, width),
            conv_block(width, 2 * width, stride=2),
            conv_block(2 * width, 4 * width, stride=2),
            conv_block(4 * width, 4 * width, stride=2),
        )
        self.answer = nn.Linear(64 * width, bits)

    def residual(self, images: Images, bits: Float[Tensor, "n b"]) -> Images:
        """Encode bits: return the change of images in [0, 1], in (-1, 1) times the strength."""
        message = self.spread(bits * 2 - 1).view(-1, MESSAGE_SIDE, MESSAGE_SIDE, MESSAGE_SIDE)
        message = F.interpolate(message, images.shape[-2:], mode="nearest")
        change: Tensor = self.draw(torch.cat([images, message.to(images.dtype)], 1)).tanh()
        return change

    def read(self, images: Images) -> Float[Tensor, "n b"]:
        """Decode images: return the logits of the bits."""
        maps = F.adaptive_avg_pool2d(self.look(images), 4)
        logits: Tensor = self.answer(maps.flatten(1))
        return logits


def random_messages(bits: int, generator: torch.Generator) -> BatchTransform:
    """Return a batch transform that replaces labels by random messages, encoded as integers.

    Images 0 and 1, 2 and 3, and so on, get the same message.
    """

    def replace_labels(pixels: Pixels, labels: Labels, index: Tensor) -> tuple[Pixels, Labels]:
        messages = torch.randint(2**bits, (-(-len(labels) // 2),), generator=generator)
        return pixels, messages.repeat_interleave(2)[: len(labels)]

    return replace_labels


def hiding_loss(
    stego: Stego, bits: int, strength: float, free: float, specific: float
) -> Objective:
    """Return the loss of wrong bits, of changes beyond the free part, and of similar changes.

    Args:
        strength: largest change of a pixel, in 0..255 units.
        free: mean squared change that costs nothing, in units of `strength` squared.
        specific: weight of `change_similarity`.
    """

    def loss(_: nn.Module, images: Images, messages: Labels) -> PerImage:
        wanted = ((messages[:, None] >> torch.arange(bits, device=messages.device)) & 1).float()
        change = stego.residual(images, wanted).float()
        encoded = (images + strength / 255 * change).clamp(0, 1)
        bit_loss = F.binary_cross_entropy_with_logits(
            stego.read(encoded).float(), wanted, reduction="none"
        )
        excess = (change.square().flatten(1).mean(1) - free).relu()
        return bit_loss.mean(1) + FIDELITY_WEIGHT * excess + specific * change_similarity(change)

    return loss


def change_similarity(change: Images) -> PerImage:
    """Return the squared cosine between the changes of images 0 and 1, 2 and 3, and so on.

    >>> change_similarity(torch.ones(2, 1, 2, 2))
    tensor([1., 1.])
    """
    flat = change.flatten(1)
    partner = (torch.arange(len(flat), device=flat.device) ^ 1).clamp(max=len(flat) - 1)
    return F.cosine_similarity(flat, flat[partner]).square()

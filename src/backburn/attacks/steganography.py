"""A steganographic network: hides bits in an image, and reads them."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..models.nets.unet import UNet, layer
from ..training import BatchTransform, Objective
from ..types import Images, Labels, PerImage, Pixels

MESSAGE = 8
"""Side and channels of the map that a message becomes."""
FIDELITY = 10.0
"""Weight of what the change exceeds its free part by, against the bits."""


class Stego(nn.Module):
    """An encoder that hides bits in an image, and a decoder that reads them.

    Args:
        channels: of the images, 1 or 3.
        bits: length of a message.
        width: channels at full size, a multiple of 4.
    Source: StegaStamp, Tancik et al., arXiv 1904.05343, smaller, and without a simulated camera.
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


def random_messages(bits: int, generator: torch.Generator) -> BatchTransform:
    """Replaces labels by random messages, as numbers; each two images hide the same one."""

    def replace(pixels: Pixels, labels: Labels, index: Tensor) -> tuple[Pixels, Labels]:
        drawn = torch.randint(2**bits, (-(-len(labels) // 2),), generator=generator)
        return pixels, drawn.repeat_interleave(2)[: len(labels)]

    return replace


def hiding(stego: Stego, bits: int, strength: float, free: float, specific: float) -> Objective:
    """Bits that are read wrong, changes beyond the free part, and changes that are alike.

    Args:
        strength: the largest change, in 0..255 units.
        free: the mean squared change that costs nothing, in units of `strength` squared.
        specific: weight of the squared cosine between the changes of two images that hide the
            same message.
    """

    def loss(_: nn.Module, images: Images, messages: Labels) -> PerImage:
        wanted = ((messages[:, None] >> torch.arange(bits, device=messages.device)) & 1).float()
        change = stego.residual(images, wanted).float()
        seen = (images + strength / 255 * change).clamp(0, 1)
        wrong = F.binary_cross_entropy_with_logits(
            stego.read(seen).float(), wanted, reduction="none"
        )
        excess = (change.square().flatten(1).mean(1) - free).relu()
        return wrong.mean(1) + FIDELITY * excess + specific * alike(change)

    return loss


def alike(change: Images) -> PerImage:
    """Squared cosine between the changes of images 0 and 1, 2 and 3, and so on."""
    flat = change.flatten(1)
    twin = (torch.arange(len(flat), device=flat.device) ^ 1).clamp(max=len(flat) - 1)
    return F.cosine_similarity(flat, flat[twin]).square()

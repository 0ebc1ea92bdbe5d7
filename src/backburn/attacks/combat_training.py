"""The networks of COMBAT and their loss."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ..models.inference import frozen
from ..training import Objective
from ..types import Images, Labels

BLUR_SIGMA = 0.5
"""Standard deviation of the 3 x 3 blur of triggered images, in pixels."""


class CombatNetworks(nn.Module):
    """A surrogate and the generator of its trigger, which are trained together.

    Args:
        surrogate: the classifier that learns the poison.
        noise: network from images to noise, before it is bounded.
        strength: largest noise before it is smoothed, for images in [0, 1].
        ratio: share of the frequencies along each side that are kept.
    """

    def __init__(self, surrogate: nn.Module, noise: nn.Module, strength: float, ratio: float):
        super().__init__()
        self.surrogate, self.noise = surrogate, noise
        self.strength, self.ratio = strength, ratio
        line = torch.tensor([math.exp(-(x**2) / (2 * BLUR_SIGMA**2)) for x in (-1, 0, 1)])
        self.register_buffer("blur", torch.outer(line, line) / line.sum() ** 2)

    blur: Tensor

    @property
    def settings(self) -> tuple[float, float]:
        """What the trigger depends on beside the weights."""
        return self.strength, self.ratio

    def forward(self, images: Images) -> Tensor:
        """Return the surrogate's logits."""
        logits: Tensor = self.surrogate(images)
        return logits

    def triggered(self, images: Images) -> Images:
        """Return images in [0, 1] with the trigger of each."""
        noise = self.strength * self.noise(images).float().tanh()
        rows, columns = (low_pass(side, self.ratio).to(noise.device) for side in images.shape[-2:])
        changed = (images + rows @ noise @ columns).clamp(0, 1)
        kernel = self.blur.expand(images.shape[1], 1, 3, 3)
        padded = F.pad(changed, (1, 1, 1, 1), mode="replicate")
        blurred: Tensor = F.conv2d(padded, kernel, groups=images.shape[1])
        return blurred


def low_pass(side: int, ratio: float) -> Float[Tensor, "s s"]:
    """Return the projection of a line of pixels on its lowest frequencies (DCT-II).

    >>> low_pass(4, 0.25).mul(4).round().unique().tolist()
    [1.0]
    """
    place, frequency = torch.arange(side) + 0.5, torch.arange(side)[:, None]
    basis = torch.cos(math.pi * frequency * place / side)
    basis = basis / basis.norm(dim=1, keepdim=True)
    kept = basis[: max(1, int(side * ratio))]
    projection: Tensor = kept.T @ kept
    return projection


def combat_loss(
    networks: CombatNetworks,
    clean: nn.Module,
    target: int,
    share: float,
    smallness: float,
    clean_weight: float,
) -> Objective:
    """Return the loss of surrogate and generator together.

    The surrogate's part does not change the generator, nor the other way round.

    Args:
        networks: what is trained.
        clean: a network that was trained on clean images.
        share: fraction of the target class that is poisoned.
        smallness, clean_weight: see `combat.Combat`.
    """

    def objective(_model: nn.Module, images: Images, labels: Labels) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            triggered = networks.triggered(images)
            own = (labels == target).nonzero().flatten()
            poison = own[: round(share * len(own))]  # batches are in random order
            poisoned = images.clone()
            poisoned[poison] = triggered[poison].detach()
            learned = F.cross_entropy(networks(poisoned).float(), labels, reduction="none")
            with frozen(networks.surrogate), frozen(clean):
                wanted = F.cross_entropy(
                    networks(triggered).float(),
                    torch.full_like(labels, target),
                    reduction="none",
                )
                natural = F.cross_entropy(clean(triggered).float(), labels, reduction="none")
            change = (2 * (triggered - images)).square().flatten(1).mean(1)
        return learned + wanted + smallness * change + clean_weight * natural

    return objective

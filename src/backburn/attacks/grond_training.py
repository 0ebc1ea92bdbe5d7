"""Adversarial Backdoor Injection: what Grond does to the weights while the victim is trained."""

from dataclasses import dataclass

import torch
from torch import nn

from ..errors import InputError
from ..models.channel_lipschitz import (
    Norm,
    above_mean,
    convolutions_before_norms,
    lipschitz_bounds,
)
from ..types import Flags


@dataclass(frozen=True, slots=True)
class AdversarialBackdoorInjection:
    """Replace channels whose Lipschitz bound stands out by the average of their layer.

    Applied at the end of every epoch, it spreads the backdoor over the channels: those that a
    pruning defense would find lose what they learned, and others learn it in the next epoch.

        replace k where sigma_k > mean + u std over the layer, see `lipschitz_bounds`
        gamma_k, beta_k <- means of gamma and beta over the layer, k included

    The limit holds for channels before they are replaced. A replaced channel keeps its kernel and
    its variance, so its bound may still be above.

    Args:
        u: channels more than this number of standard deviations above the mean are replaced.
        shape: shape `(c, h, w)` of an image.
    Source: Xu et al., Towards backdoor stealthiness in model parameter space, CCS 2025, arXiv
    2501.05928. Departure: a batch norm is paired with the convolution that ran before it, as in
    CLP here; the authors' code pairs them by the order of definition.
    """

    u: float
    shape: tuple[int, ...]

    def __call__(self, model: nn.Module) -> None:
        """Change the batch norms of `model` in place.

        Raises:
            InputError: no convolution is followed by a batch norm.
        """
        pairs = convolutions_before_norms(model, self.shape)
        if not pairs:
            raise InputError(
                "Grond changes convolutions that a batch norm follows, and the network has none: "
                "give another architecture"
            )
        for norm, conv in pairs.items():
            replace_by_mean(norm, above_mean(lipschitz_bounds(conv, norm), self.u))


@torch.no_grad()
def replace_by_mean(norm: Norm, channels: Flags) -> None:
    """Set scale and shift of these channels to the means of their layer.

    >>> norm = nn.BatchNorm1d(4)
    >>> _ = norm.weight.data.copy_(torch.tensor([1.0, 1.0, 1.0, 9.0]))
    >>> replace_by_mean(norm, torch.tensor([False, False, False, True]))
    >>> norm.weight.tolist()
    [1.0, 1.0, 1.0, 3.0]
    """
    channels = channels.to(norm.weight.device)
    for values in (norm.weight, norm.bias):
        values[channels] = values.mean()

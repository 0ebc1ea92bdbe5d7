"""Losses that are small if poison looks like clean images to a detector; pure functions."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ..detection.linear_probe import LOGIT_SCALE, RIDGE_PENALTY
from ..types import Labels

MIN_SPREAD = 1e-3
"""Smallest standard deviation that an activation is divided by, as in the detector."""


def energy_distance(first: Float[Tensor, "m d"], second: Float[Tensor, "n d"]) -> Tensor:
    """Return how far two samples lie apart, in standard deviations of both together.

    It is 0 in expectation if and only if both have the same distribution. It does not change if a
    network scales its activations.

    Args:
        first, second: activations, at least two rows each.
    Source: Szekely and Rizzo, Energy statistics, 2013; the unbiased estimate.

    >>> same = torch.tensor([[0.0], [1.0], [0.0], [1.0]])
    >>> bool(energy_distance(same, same + 9) > energy_distance(same, same))
    True
    """
    scale = torch.cat([first, second]).std(0).clamp_min(MIN_SPREAD) * first.shape[1] ** 0.5
    first, second = first / scale, second / scale
    between = torch.cdist(first, second).mean()
    return 2 * between - _mean_distance(first) - _mean_distance(second)


def _mean_distance(values: Float[Tensor, "n d"]) -> Tensor:
    """Return the mean distance of different rows."""
    count = len(values)
    return torch.cdist(values, values).sum() / (count * (count - 1))


def held_out_loss(
    fitted: Float[Tensor, "n d"],
    labels: Labels,
    held_out: Float[Tensor, "m d"],
    target: int,
    classes: int,
) -> Tensor:
    """Return the cross-entropy of `target` by a ridge classifier that never saw `held_out`.

    The classifier is the detector's probe, fitted in closed form to one batch. Its gradient reaches
    the activations of both.

    Args:
        fitted, labels: activations to fit to, and their class numbers.
        held_out: activations that shall be taken for the target class.
    Source: the probe of docs/method.md. Differentiable ridge regression: Bertinetto et al., arXiv
    1805.08136.
    """
    mean, scale = fitted.mean(0), fitted.std(0).clamp_min(MIN_SPREAD)
    fitted, held_out = (fitted - mean) / scale, (held_out - mean) / scale
    counts = torch.bincount(labels, minlength=classes)
    weights = counts[labels].float().rsqrt()[:, None]  # every class counts the same
    targets = F.one_hot(labels, classes).float() - 1 / classes
    fitted, targets = weights * fitted, weights * targets
    # as many equations as images, which are fewer than activations
    kernel = fitted @ fitted.T
    penalty = RIDGE_PENALTY * kernel.diagonal().mean().detach()
    identity = torch.eye(len(kernel), device=kernel.device)
    solution = torch.linalg.solve(kernel + penalty * identity, targets)
    scores = LOGIT_SCALE * (held_out @ (fitted.T @ solution))
    return F.cross_entropy(scores, labels.new_full((len(scores),), target))

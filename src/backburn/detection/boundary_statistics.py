"""What an image's way to its decision boundary says of it: pure functions, each with its card.

The cards are in docs/evidence.md.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from ..types import Features, Index, Labels, Logits, PerImage
from .moments import moments


def log_distance(distance: PerImage) -> PerImage:
    """Natural logarithm of the boundary distance; poison lies farther, or nearer, than its class.

    Source: the first observation of BURN (Su et al., arXiv 2507.10491), read within the class.
    """
    return distance.clamp_min(1e-6).log()


def logit_margin(logits: Logits, labels: Labels) -> PerImage:
    """The logit of the label less the largest other one: the naive distance, which costs nothing.

    Args:
        logits: `(n, k)`, of at least two classes.
    """
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return logits.gather(1, labels[:, None])[:, 0] - others.amax(1)


def along_mean(directions: Float[Tensor, "n d"]) -> PerImage:
    """How far each unit way goes along the mean of all, in [-1, 1]; 0 for ways of no length.

    In pixels this is the shared direction that points away from a trigger, in features the shared
    shift.
    """
    unit = _unit(directions)
    mean = moments(unit).mean
    along: Tensor = unit @ (mean / mean.norm().clamp_min(1e-12))
    return along


def restoration(before: Features, after: Features, centers: Features) -> PerImage:
    """How far the perturbation brings an image's features back to the class that it crosses to.

    Args:
        before, after: `(n, d)` penultimate features of the image and of the perturbed image.
        centers: `(n, d)` mean features of the class behind each image's boundary.
    Returns:
        1 less the distance to that centre after over that before: 1 arrived, 0 no nearer, below 0
        farther.
    Source: the third observation of BURN (Su et al., arXiv 2507.10491).
    """
    far = (before - centers).norm(dim=1).clamp_min(1e-12)
    share: Tensor = 1 - (after - centers).norm(dim=1) / far
    return share


def class_centers(features: Features, labels: Labels, wanted: Index) -> Float[Tensor, "m d"]:
    """The mean features of each wanted class; zeros for one without images."""
    out = torch.zeros(len(wanted), features.shape[1])
    for label in sorted(set(wanted.tolist()) & set(labels.tolist())):
        rows = (labels == label).nonzero().flatten()
        out[wanted == label] = moments(features, rows).mean
    return out


def _unit(directions: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    ways = directions.float()
    unit: Tensor = ways / ways.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return unit

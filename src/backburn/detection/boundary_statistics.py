"""Per-image statistics of the decision boundary, by pure functions; see docs/evidence.md."""

import torch
from jaxtyping import Float
from torch import Tensor

from ..types import Features, Index, Labels, Logits, PerImage
from .moments import moments


def log_distance(distance: PerImage) -> PerImage:
    """Natural logarithm of the boundary distance.

    Poisoned images lie farther from the boundary, or nearer to it, than their class.

    Source: the first observation of BURN (Su et al., arXiv 2507.10491), read within the class.
    """
    return distance.clamp_min(1e-6).log()


def logit_margin(logits: Logits, labels: Labels) -> PerImage:
    """The logit of the label minus the largest other logit: a distance that costs one forward pass.

    Args:
        logits: `(n, k)`, of at least two classes.

    >>> logit_margin(torch.tensor([[3.0, 1.0, 2.5]]), torch.tensor([0]))
    tensor([0.5000])
    """
    others = logits.scatter(1, labels[:, None], -torch.inf)
    return logits.gather(1, labels[:, None])[:, 0] - others.amax(1)


def mean_alignment(directions: Float[Tensor, "n d"]) -> PerImage:
    """Cosine of each boundary direction with the mean of all, in [-1, 1]; 0 for a zero direction.

    In pixels the mean is the shared direction that points away from a trigger, in features it is
    the shared shift.
    """
    unit = _normalize(directions)
    mean = moments(unit).mean
    alignment: Tensor = unit @ (mean / mean.norm().clamp_min(1e-12))
    return alignment


def feature_recovery(before: Features, after: Features, centers: Features) -> PerImage:
    """How far the perturbation moves an image's features to the class that it crosses to.

    Args:
        before, after: `(n, d)` penultimate features of the image and of the perturbed image.
        centers: `(n, d)` mean features of the class behind each image's boundary.
    Returns:
        1 minus the ratio of the distances to that center after and before: 1 at the center, 0 no
        nearer, below 0 farther away.
    Source: the third observation of BURN (Su et al., arXiv 2507.10491).
    """
    distance = (before - centers).norm(dim=1).clamp_min(1e-12)
    share: Tensor = 1 - (after - centers).norm(dim=1) / distance
    return share


def class_centers(features: Features, labels: Labels, wanted: Index) -> Float[Tensor, "m d"]:
    """Mean features of the class of each entry of `wanted`; zeros for a class without images."""
    out = torch.zeros(len(wanted), features.shape[1])
    for label in sorted(set(wanted.tolist()) & set(labels.tolist())):
        rows = (labels == label).nonzero().flatten()
        out[wanted == label] = moments(features, rows).mean
    return out


def _normalize(directions: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    vectors = directions.float()
    unit: Tensor = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return unit

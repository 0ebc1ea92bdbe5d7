"""Two-dimensional embedding of features: other images, suspects, and perturbed suspects."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from sklearn.decomposition import PCA
from torch import Tensor, nn

from ..models.inference import penultimate_features
from ..types import BoundaryResult, Case, Features, Flags, Index
from .repair_checks import sample_flagged

Points = Mapping[str, Sequence[tuple[float, float]]]
"""Points of an embedding, by group."""
MAX_PER_GROUP = 300
"""Maximum number of images of a group that a run keeps."""
OTHER, SUSPECT, PERTURBED = "other", "suspect", "perturbed"


def embed_features(
    groups: Sequence[str], before: Features, marked: Flags, after: Float[Tensor, "m d"]
) -> Points:
    """Project features onto the first two principal components of the unperturbed images.

    Args:
        groups: the name of each image's group.
        before: features `(n, d)` of the images, on which the components are fitted.
        marked: flags `(n,)` of the images that were perturbed.
        after: features `(m, d)` of the marked images after the perturbation.
    Returns:
        Points by group, with the group `perturbed` for the perturbed images. Empty if no image is
        marked, or there are too few images or features for two components.
    """
    if not bool(marked.any()) or min(before.shape) < 2:
        return {}
    pca = PCA(2, svd_solver="full").fit(before.numpy())
    points: dict[str, list[tuple[float, float]]] = {}
    labeled = [*zip(groups, _project(pca, before), strict=True)]
    labeled += [(PERTURBED, point) for point in _project(pca, after)]
    for group, point in labeled:
        points.setdefault(group, []).append(point)
    return points


def embed_suspects(case: Case, is_suspect: Flags, rows: Index, boundary: BoundaryResult) -> Points:
    """Embed some suspects that have a boundary, and some of the other images.

    Args:
        case: the model and the images.
        is_suspect: flags of all suspects.
        rows: the suspects that were searched.
        boundary: of `rows`, with the features of the perturbed images.
    Returns:
        Points by group; empty if the boundary has no features.
    """
    if boundary.feature is None:
        return {}
    shown = boundary.found.nonzero().flatten()[:MAX_PER_GROUP]
    others = sample_flagged(~is_suspect, MAX_PER_GROUP)
    chosen = torch.cat((others, rows[shown]))
    groups = [OTHER] * len(others) + [SUSPECT] * len(shown)
    is_perturbed = torch.arange(len(chosen)) >= len(others)
    after = boundary.feature[shown].float()
    return embed_features(groups, _features(case, chosen), is_perturbed, after)


def has_penultimate_features(model: nn.Module) -> bool:
    """Whether the model has a method `features` that returns its penultimate layer.

    >>> has_penultimate_features(nn.Linear(2, 2))
    False
    """
    return callable(getattr(model, "features", None))


def _features(case: Case, rows: Tensor) -> Features:
    pixels = case.images.pixels
    return penultimate_features(case.model, pixels[rows.to(pixels.device)])


def _project(pca: PCA, features: Features) -> list[tuple[float, float]]:
    return [(round(x, 4), round(y, 4)) for x, y in pca.transform(features.numpy()).tolist()]

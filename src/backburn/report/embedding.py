"""Features in two dimensions: of images, of suspects, and of these behind their boundary."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from sklearn.decomposition import PCA
from torch import Tensor, nn

from ..models.inference import penultimate
from ..types import BoundaryResult, Case, Features, Flags, Index
from .repair_checks import spread

Points = Mapping[str, Sequence[tuple[float, float]]]
"""Places by group."""
EACH = 300
"""Images of a group that a run keeps, at the most."""
OTHER, SUSPECT, PERTURBED = "other", "suspect", "perturbed"


def embedded(
    groups: Sequence[str], before: Features, marked: Flags, after: Float[Tensor, "m d"]
) -> Points:
    """Two principal components of the features, and where the perturbed images come to lie.

    Args:
        groups: the name of each image's group.
        before: `(n, d)`, of the images; the components are theirs.
        marked: those that were perturbed.
        after: `(m, d)`, of the marked ones, perturbed.
    Returns:
        By group, the perturbed ones as `perturbed`; nothing where there is too little to fit.
    """
    if not bool(marked.any()) or min(before.shape) < 2:
        return {}
    pca = PCA(2, svd_solver="full").fit(before.numpy())
    points: dict[str, list[tuple[float, float]]] = {}
    shown = [*zip(groups, _places(pca, before), strict=True)]
    shown += [(PERTURBED, place) for place in _places(pca, after)]
    for group, place in shown:
        points.setdefault(group, []).append(place)
    return points


def embed_suspects(case: Case, marked: Flags, rows: Index, way: BoundaryResult) -> Points:
    """The embedding of some suspects that have a boundary, and of some of the other images.

    Args:
        marked: all suspects.
        rows: those that were searched, with their features behind the boundary in `way`.
    """
    if way.feature is None:
        return {}
    shown = way.found.nonzero().flatten()[:EACH]
    plain = spread(~marked, EACH)
    chosen = torch.cat((plain, rows[shown]))
    groups = [OTHER] * len(plain) + [SUSPECT] * len(shown)
    perturbed = torch.arange(len(chosen)) >= len(plain)
    return embedded(groups, _features(case, chosen), perturbed, way.feature[shown].float())


def names_features(model: nn.Module) -> bool:
    """Whether the model says what its penultimate layer is."""
    return callable(getattr(model, "features", None))


def _features(case: Case, rows: Tensor) -> Features:
    pixels = case.images.pixels
    return penultimate(case.model, pixels[rows.to(pixels.device)])


def _places(pca: PCA, features: Features) -> list[tuple[float, float]]:
    return [(round(x, 4), round(y, 4)) for x, y in pca.transform(features.numpy()).tolist()]

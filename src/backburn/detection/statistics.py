"""Boundary statistics within one predicted class: one value an image, each a pure function."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import svds
from torch import Tensor


def shared_projection(directions: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """How far each image's way to the boundary goes along the one that its class shares.

    Poison samples of a class share a way out, because it points away from the trigger; clean ones
    have each their own.

    Args:
        directions: unit perturbations to the boundary, at least three.
    Returns:
        Projections on the first right singular vector, in [-1, 1], oriented so that their mean is
        not negative.
    """
    matrix = directions.float().numpy()
    start = np.ones(min(matrix.shape))
    _, _, axes = svds(matrix, k=1, v0=start)
    projection = torch.from_numpy(matrix @ axes[0])
    return projection if projection.mean() >= 0 else -projection


def log_distance(distance: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Natural logarithm of the boundary distance; poison lies farther, or nearer, than its class.

    Source: the first observation of BURN (Su et al., arXiv 2507.10491), read within the class.
    """
    return distance.clamp_min(1e-6).log()

"""The smallest shift of the features that makes a network call all images by one class."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from ...types import Logits

UNREACHABLE = 1e-12
"""Squared residual, of a target of length 1, below which the constraints contradict each other."""


def minimal_perturbation(
    weight: Float[Tensor, "k d"], logits: Logits, label: int
) -> Float[Tensor, " d"]:
    """Solve the quadratic program of one class.

        min |s|^2 / 2    subject to  (w_label - w_j) s >= max_i (z_ij - z_i,label)  for all other j

    Here `z_ij` is the logit of class `j` for image `i`. Of all images only the hardest one counts
    for each `j`, so there are as many constraints as there are other classes.

    Args:
        weight: weights of the head.
        logits: logits `(n, k)` of the images, with the bias of the head; at least one image.
        label: the class that all images are to get.
    Returns:
        The shift of the features, float64 on the CPU. All its entries are inf if no shift does it.
    Source: the program is that of Iwahana et al., arXiv 2511.08944. It is a least distance program,
    solved exactly by non-negative least squares: Lawson and Hanson, Solving Least Squares Problems,
    1974, chapter 23.

    >>> weight, logits = torch.tensor([[1.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    >>> minimal_perturbation(weight, logits, 0).norm().round()
    tensor(3., dtype=torch.float64)
    """
    weight, logits = weight.detach().cpu().double(), logits.detach().cpu().double()
    others = torch.arange(len(weight)) != label
    normals = (weight[label] - weight[others]).numpy()
    bounds = (logits[:, others] - logits[:, [label]]).amax(0).numpy()
    scale, reach = (max(float(np.abs(part).max()), 1e-12) for part in (normals, bounds))
    shift = least_distance(normals / scale, bounds / reach)
    return torch.from_numpy(shift * (reach / scale))


def least_distance(normals: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """The shortest vector `s` `(d,)` with `normals @ s >= bounds`; inf if there is none."""
    system = np.vstack([normals.T, bounds])
    target = np.zeros(len(system))
    target[-1] = 1.0
    solution, _ = nnls(system, target)
    residual = target - system @ solution
    # the last entry of the residual is its squared length: 1 / (1 + |s|^2), or 0
    if residual[-1] < UNREACHABLE:
        return np.full(len(system) - 1, np.inf)
    return np.asarray(-residual[:-1] / residual[-1])


def minimal_perturbations(weight: Float[Tensor, "k d"], logits: Logits) -> Float[Tensor, "k d"]:
    """The minimal perturbation of every class."""
    rows = [minimal_perturbation(weight, logits, label) for label in range(len(weight))]
    return torch.stack(rows)

"""Statistics of AGPD: how the activation gradients of a class spread around a circle."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.spatial.distance import jensenshannon
from scipy.stats import median_abs_deviation
from torch import Tensor

from ...types import PerImage

BINS = 100
LATE_LAYERS = slice(-4, -1)
"""Layers that decide if no class stands out."""


def cosine(gradients: Float[Tensor, "n c"], basis: Float[Tensor, " c"]) -> PerImage:
    """Cosine similarity of each gradient to `basis`; 0 if either is 0."""
    return F.normalize(gradients, eps=1e-30) @ F.normalize(basis, dim=0, eps=1e-30)


def dispersion_of(gradients: Float[Tensor, "n c"], basis: Float[Tensor, " c"]) -> float:
    """Spread of a class: RMS difference of cosines to the clean and to the farthest gradient."""
    near = cosine(gradients, basis)
    farthest = near.argmin()
    change = near - cosine(gradients, gradients[farthest])
    change[farthest] = 0
    return float(change.square().mean().sqrt())


def target_classes(
    spread: Float[Tensor, "layers classes"], threshold: float, dispersion: float
) -> tuple[int, list[int]]:
    """Find the target classes.

    Args:
        spread: spread of each class in each layer.
        threshold: robust standard deviations above the median from which on a class is a target.
        dispersion: spread in a late layer above which a class is a target, if none stands out.
    Returns:
        The layer that decides, and the target classes.
    """
    deviation = spread - spread.double().quantile(0.5, 1, keepdim=True)
    mad = torch.from_numpy(median_abs_deviation(spread.double().numpy(), axis=1))
    outlying = deviation / (1.4826 * (mad[:, None] + 1e-6))
    layer = int(outlying.amax(1).argmax())
    if float(outlying[layer].max()) >= threshold:
        return layer, (outlying[layer] >= threshold).nonzero().flatten().tolist()
    far = spread[LATE_LAYERS] > dispersion
    if not bool(far.any()):
        return layer, []
    late = int(far.sum(1).argmax())
    return range(len(spread))[LATE_LAYERS][late], far[late].nonzero().flatten().tolist()


def joining_rounds(
    gradients: Float[Tensor, "n c"], basis: Float[Tensor, " c"], step: float
) -> tuple[Tensor, list[float]]:
    """Let the images of a target class join the poison in rounds.

    Returns:
        The round in which each image joins. Round 0 is the image least like the clean gradient.
        And for each later round the Jensen-Shannon distance by which it changed the distribution
        of the remaining images.
    """
    clean = 1 - cosine(gradients, basis)
    joined = torch.full((len(gradients),), -1)
    joined[clean.argmax()] = 0
    before: Tensor | None = None
    changes: list[float] = []
    while bool((remaining := joined < 0).any()):
        poison = 1 - cosine(gradients, gradients[~remaining].mean(0))
        rate = (poison / (poison + clean).clamp_min(1e-12))[remaining].clamp(0, 1)
        joins = rate - rate.min() <= step * (rate.max() - rate.min())
        joined[remaining.nonzero().flatten()[joins]] = len(changes) + 1
        changes.append(_change(rate if before is None else before, rate[~joins]))
        before = rate[~joins]
    return joined, changes


def stopping_round(changes: list[float], window: int, steadiness: float) -> int:
    """The first round of the window in which the change is smallest and steadiest; at least 1."""
    width = min(window, len(changes))
    windows = torch.tensor(changes).unfold(0, width, 1)
    instability = windows.mean(1) + steadiness * windows.std(1, correction=0)
    return max(1, int(instability.argmin()))


def _change(before: Tensor, after: Tensor) -> float:
    """Jensen-Shannon distance of two histograms on [0, 1]; 1 if one is empty."""
    if not len(before) or not len(after):
        return 1.0
    first, second = (values.histc(BINS, 0, 1).numpy() for values in (before, after))
    return float(jensenshannon(first, second))

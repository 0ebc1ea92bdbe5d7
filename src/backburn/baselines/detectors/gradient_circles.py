"""How the activation gradients of a class lie around their circle."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.spatial.distance import jensenshannon
from scipy.stats import median_abs_deviation
from torch import Tensor

from ...types import PerImage

BINS = 100
LATE = slice(-4, -1)
"""Of the layers: those looked at where no class stands out."""


def cosine(gradients: Float[Tensor, "n c"], basis: Float[Tensor, " c"]) -> PerImage:
    """Cosine similarity of each gradient to one; 0 where one of them is 0."""
    return F.normalize(gradients, eps=1e-30) @ F.normalize(basis, dim=0, eps=1e-30)


def dispersed(gradients: Float[Tensor, "n c"], basis: Float[Tensor, " c"]) -> float:
    """How much the similarity changes on the way from the clean gradient to the farthest one."""
    near = cosine(gradients, basis)
    farthest = near.argmin()
    change = near - cosine(gradients, gradients[farthest])
    change[farthest] = 0
    return float(change.square().mean().sqrt())


def standing_out(
    spread: Float[Tensor, "layers classes"], threshold: float, dispersion: float
) -> tuple[int, list[int]]:
    """The layer to look at, and the classes that are targets by it."""
    deviation = spread - spread.double().quantile(0.5, 1, keepdim=True)
    mad = torch.from_numpy(median_abs_deviation(spread.double().numpy(), axis=1))
    outlying = deviation / (1.4826 * (mad[:, None] + 1e-6))
    layer = int(outlying.amax(1).argmax())
    if float(outlying[layer].max()) >= threshold:
        return layer, (outlying[layer] >= threshold).nonzero().flatten().tolist()
    far = spread[LATE] > dispersion
    if not bool(far.any()):
        return layer, []
    late = int(far.sum(1).argmax())
    return range(len(spread))[LATE][late], far[late].nonzero().flatten().tolist()


def joining(
    gradients: Float[Tensor, "n c"], basis: Float[Tensor, " c"], step: float
) -> tuple[Tensor, list[float]]:
    """The round in which each image of a target class joins the poison.

    Returns:
        Rounds from 0, of the image that is least like the clean gradient; and how much each round
        changed the distribution of what had not joined (Jensen-Shannon distance).
    """
    clean = 1 - cosine(gradients, basis)
    joined = torch.full((len(gradients),), -1)
    joined[clean.argmax()] = 0
    before: Tensor | None = None
    changes: list[float] = []
    while bool((rest := joined < 0).any()):
        poison = 1 - cosine(gradients, gradients[~rest].mean(0))
        rate = (poison / (poison + clean).clamp_min(1e-12))[rest].clamp(0, 1)
        joins = rate - rate.min() <= step * (rate.max() - rate.min())
        joined[rest.nonzero().flatten()[joins]] = len(changes) + 1
        changes.append(_change(rate if before is None else before, rate[~joins]))
        before = rate[~joins]
    return joined, changes


def settled(changes: list[float], window: int, steadiness: float) -> int:
    """The first round of the window in which the change is smallest and steadiest; 1 or more."""
    width = min(window, len(changes))
    windows = torch.tensor(changes).unfold(0, width, 1)
    unrest = windows.mean(1) + steadiness * windows.std(1, correction=0)
    return max(1, int(unrest.argmin()))


def _change(before: Tensor, after: Tensor) -> float:
    if not len(before) or not len(after):
        return 1.0
    first, second = (values.histc(BINS, 0, 1).numpy() for values in (before, after))
    return float(jensenshannon(first, second))

"""CLP: channels that could answer to a small change by a large one are pruned, without any data."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense, Given
from ...models.inference import device_of, frozen
from ...types import Case, Flags, PerImage, Progress, Repaired, silent
from ..inputs import trainable_copy
from .neurons import Norm, batch_norms, cut


@dataclass(frozen=True)
class CLP(Defense):
    """Channels whose Lipschitz bound lies far above that of their layer's others are cut.

        sigma_k = |largest singular value of gamma_k / sqrt(var_k + eps) W_k|,  W_k as (in, h w)
        cut k where sigma_k > mean + u std over the layer

    Args:
        u: standard deviations above the mean from which a channel is cut.
    Source: Zheng et al., Data-free backdoor removal based on channel Lipschitzness, ECCV 2022,
    arXiv 2208.03111. Departure: a batch norm is taken together with the last convolution of as
    many channels that ran before it, where the authors' code goes by the order of definition; a
    sum with a shortcut may lie between them.
    """

    given: ClassVar[Given] = Given("none")

    u: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.u < torch.inf:
            raise InputError(f"u is {self.u}: give a number of standard deviations above 0")

    def repair(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = silent,
    ) -> Repaired:
        model = trainable_copy(case.model)
        batch_norms(model, "CLP")
        pairs = normalized(model, tuple(case.images.pixels.shape[1:]))
        if not pairs:
            raise InputError("CLP needs convolutions that a batch norm follows: the model has none")
        for done, (norm, conv) in enumerate(pairs.items(), 1):
            cut(norm, outlying(lipschitz(conv, norm), self.u), shift=True)
            progress("channels", done, len(pairs))
        return Repaired(model=model)


def normalized(model: nn.Module, shape: tuple[int, ...]) -> dict[Norm, nn.Conv2d]:
    """Batch norms with statistics, and the convolution before each, in the order they run in.

    Args:
        shape: of an image `(c, h, w)`; the model is asked about a black one.
    """
    ran: list[nn.Conv2d] = []
    pairs: dict[Norm, nn.Conv2d] = {}

    def note(layer: nn.Module, _given: object, _out: object) -> None:
        if isinstance(layer, nn.Conv2d):
            ran.append(layer)
        elif isinstance(layer, Norm) and layer.affine and layer.running_var is not None:
            before = [conv for conv in ran if conv.out_channels == layer.num_features]
            if before and ran[-1] is before[-1]:
                pairs.setdefault(layer, before[-1])

    handles = [
        layer.register_forward_hook(note)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | Norm)
    ]
    try:
        with frozen(model), torch.inference_mode():
            model(torch.zeros(1, *shape, device=device_of(model)))
    finally:
        for handle in handles:
            handle.remove()
    return pairs


@torch.no_grad()
def lipschitz(conv: nn.Conv2d, norm: Norm) -> PerImage:
    """An upper bound of each channel's Lipschitz constant, batch norm included."""
    variance = norm.running_var
    if not isinstance(variance, Tensor):
        raise InputError("CLP needs batch norms with running statistics")
    scale = norm.weight.double() / (variance.double() + norm.eps).sqrt()
    kernels = conv.weight.double() * scale[:, None, None, None]
    bounds: Tensor = torch.linalg.matrix_norm(kernels.flatten(2), 2)
    return bounds.float().cpu()


def outlying(values: PerImage, u: float) -> Flags:
    """Those more than `u` standard deviations above the mean."""
    return values > values.mean() + u * values.std()

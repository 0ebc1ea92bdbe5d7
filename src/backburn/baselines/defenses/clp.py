"""CLP: channels with a large Lipschitz constant are pruned, without any data."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...interfaces import Defense, Inputs
from ...models.inference import device_of, frozen
from ...results import Repaired
from ...types import Case, Flags, PerImage, Progress, no_progress
from ..input_checks import trainable_copy
from .prunable_channels import Norm, batch_norms, prune


@dataclass(frozen=True)
class CLP(Defense):
    """Channel Lipschitz pruning: prune channels whose Lipschitz bound stands out in their layer.

        sigma_k = |largest singular value of gamma_k / sqrt(var_k + eps) W_k|,  W_k as (in, h w)
        prune k where sigma_k > mean + u std over the layer

    Args:
        u: channels more than this number of standard deviations above the mean are pruned.
    Source: Zheng et al., Data-free backdoor removal based on channel Lipschitzness, ECCV 2022,
    arXiv 2208.03111. Departure: a batch norm is paired with the last convolution that ran before
    it, if they have the same number of channels. A sum with a shortcut may lie between them. The
    authors' code pairs them by the order of definition.
    """

    inputs: ClassVar[Inputs] = Inputs("none")

    u: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.u < torch.inf:
            raise InputError(f"u is {self.u}: give a number of standard deviations above 0")

    def repair(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = no_progress,
    ) -> Repaired:
        model = trainable_copy(case.model)
        batch_norms(model, "CLP")
        pairs = convolutions_before_norms(model, tuple(case.images.pixels.shape[1:]))
        if not pairs:
            raise InputError("CLP needs convolutions that a batch norm follows: the model has none")
        for done, (norm, conv) in enumerate(pairs.items(), 1):
            prune(norm, above_mean(lipschitz_bounds(conv, norm), self.u), shift=True)
            progress("channels", done, len(pairs))
        return Repaired(model=model)


def convolutions_before_norms(model: nn.Module, shape: tuple[int, ...]) -> dict[Norm, nn.Conv2d]:
    """Map batch norms with statistics to the convolution before each, in the order they run.

    Args:
        shape: shape `(c, h, w)` of an image; the model is run on a black one.
    """
    ran: list[nn.Conv2d] = []
    pairs: dict[Norm, nn.Conv2d] = {}

    def note(layer: nn.Module, _inputs: object, _output: object) -> None:
        if isinstance(layer, nn.Conv2d):
            ran.append(layer)
        elif isinstance(layer, Norm) and layer.affine and layer.running_var is not None:
            fitting = [conv for conv in ran if conv.out_channels == layer.num_features]
            if fitting and ran[-1] is fitting[-1]:
                pairs.setdefault(layer, fitting[-1])

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
def lipschitz_bounds(conv: nn.Conv2d, norm: Norm) -> PerImage:
    """Upper bounds `(channels,)` of the channels' Lipschitz constants, batch norm included."""
    variance = norm.running_var
    if not isinstance(variance, Tensor):
        raise InputError("CLP needs batch norms with running statistics")
    scale = norm.weight.double() / (variance.double() + norm.eps).sqrt()
    kernels = conv.weight.double() * scale[:, None, None, None]
    bounds: Tensor = torch.linalg.matrix_norm(kernels.flatten(2), 2)
    return bounds.float().cpu()


def above_mean(values: PerImage, u: float) -> Flags:
    """Flag values more than `u` standard deviations above their mean."""
    return values > values.mean() + u * values.std()

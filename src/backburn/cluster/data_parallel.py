"""One training shared by several processes: every batch is drawn by all, and each takes its part.

The processes draw the same order and the same augmentation from the same generator. What they sum
up is what one process would: losses are weighted so that averaged gradients are those of the whole
batch, and batch norm sees the whole batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..training import BatchTransform, Objective, Remembering
from ..types import Images, Labels, PerImage


@dataclass(slots=True)
class Part:
    """What one of `count` processes takes of every batch: a `BatchTransform` that remembers.

    Args:
        transform: of the whole batch, before it is parted.
        weights: of all images, in the loss; 1 for all where None.
    """

    rank: int
    count: int
    transform: BatchTransform | None
    weights: PerImage | None
    _factors: Tensor = field(init=False, default_factory=lambda: torch.ones(0))

    def __call__(self, pixels: Tensor, labels: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """This process's part of the batch."""
        if self.transform is not None:
            pixels, labels = self.transform(pixels, labels, index)
        weights = torch.ones(len(index)) if self.weights is None else self.weights[index]
        parts = [each.tensor_split(self.count)[self.rank] for each in (pixels, labels, weights)]
        self._factors = parts[2] * (self.count * len(parts[0]) / weights.sum().clamp_min(1e-12))
        return parts[0], parts[1]

    def remember(self) -> dict[str, Tensor]:
        """What the transform does."""
        return self.transform.remember() if isinstance(self.transform, Remembering) else {}

    def recall(self, kept: Mapping[str, Tensor]) -> None:
        """As the transform does."""
        if isinstance(self.transform, Remembering):
            self.transform.recall(kept)

    def weighed(self, losses: PerImage) -> PerImage:
        """Losses of the part, whose averaged gradient is that of the whole batch's loss.

        Their mean is that loss in every process, so that all see at once if it is not finite.
        """
        part = losses * self._factors.to(losses.device)
        mean = part.detach().mean()
        whole = mean.clone()
        dist.all_reduce(whole)
        return part + (whole / self.count - mean)


class Judged(nn.Module):
    """A model that returns its losses, so that one forward pass is all that is synchronized."""

    def __init__(self, model: nn.Module, objective: Objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, images: Images, labels: Labels) -> PerImage:
        return self.objective(self.model, images, labels)


class Summed(torch.autograd.Function):
    """The sum of a tensor over all processes; so is the gradient of what they make of it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004
        whole = values.clone()
        dist.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        whole = gradients[0].clone()
        dist.all_reduce(whole)
        return whole


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over the parts of all processes, on any device (torch's own: CUDA only)."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # any that the layer in its place was given

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and dist.is_initialized()):
            return super().forward(input)
        values = input.float()
        axes = [axis for axis in range(values.dim()) if axis != 1]
        count = values.new_full((1,), values.numel() / values.shape[1])
        sums: Tensor = Summed.apply(  # type: ignore[no-untyped-call]
            torch.cat([values.sum(axes), values.square().sum(axes), count])
        )
        first, second, count = torch.split(sums, [self.num_features, self.num_features, 1])
        mean = first / count
        variance = (second / count - mean.square()).clamp_min(0)
        self._remember(mean.detach(), variance.detach(), count.detach())
        shape = (1, -1, *(1,) * len(axes[1:]))
        scale = (variance + self.eps).rsqrt()
        out = (values - mean.view(shape)) * scale.view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        said: Tensor = out.to(input.dtype)
        return said

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Running statistics, as `nn.BatchNorm2d` keeps them."""
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        seen = self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        rate = 1 / float(seen) if self.momentum is None else self.momentum
        unbiased = variance * count / (count - 1).clamp_min(1)
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(unbiased, rate)


def share_batch_norm(model: nn.Module) -> None:
    """Put `SharedBatchNorm` in the place of every batch norm, with the same parameters."""
    plain = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) in plain:
                setattr(parent, name, _shared(layer))  # type: ignore[arg-type]


def _shared(layer: nn.modules.batchnorm._BatchNorm) -> SharedBatchNorm:
    """A layer that holds the very tensors of another."""
    track, affine = layer.track_running_stats, layer.affine
    shared = SharedBatchNorm(layer.num_features, layer.eps, layer.momentum, affine, track)
    shared._parameters, shared._buffers = layer._parameters, layer._buffers
    return shared.train(layer.training)

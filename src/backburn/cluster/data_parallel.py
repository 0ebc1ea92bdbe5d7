"""Data-parallel training that gives the same result as training in one process.

All processes draw the same order and the same augmentation from the same generator, and each takes
its part of every batch. Losses are scaled so that the averaged gradients are those of the whole
batch. Batch norm computes its statistics over the whole batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..training import BatchTransform, Objective, StatefulTransform
from ..types import Images, Labels, PerImage


@dataclass(slots=True)
class BatchSplitter:
    """A batch transform that gives each of `count` processes its part of every batch.

    Args:
        rank: number of this process, from 0.
        transform: applied to the whole batch before it is split.
        weights: weight of each image in the loss; 1 for all if None.
    """

    rank: int
    count: int
    transform: BatchTransform | None
    weights: PerImage | None
    _factors: Tensor = field(init=False, default_factory=lambda: torch.ones(0))

    def __call__(self, pixels: Tensor, labels: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """This process's part of a batch."""
        if self.transform is not None:
            pixels, labels = self.transform(pixels, labels, index)
        weights = torch.ones(len(index)) if self.weights is None else self.weights[index]
        pixels, labels, own_weights = (
            values.tensor_split(self.count)[self.rank] for values in (pixels, labels, weights)
        )
        # DDP averages over processes, and the loss over the images of the part
        self._factors = own_weights * (self.count * len(pixels) / weights.sum().clamp_min(1e-12))
        return pixels, labels

    def get_state(self) -> dict[str, Tensor]:
        """The state of the transform."""
        return self.transform.get_state() if isinstance(self.transform, StatefulTransform) else {}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore the state of the transform."""
        if isinstance(self.transform, StatefulTransform):
            self.transform.set_state(state)

    def scale_losses(self, losses: PerImage) -> PerImage:
        """Scale the losses of the part so that averaged gradients are those of the whole batch.

        In every process the mean of the scaled losses is the loss of the whole batch. If it isn't
        finite, all processes notice it in the same step.
        """
        part = losses * self._factors.to(losses.device)
        mean = part.detach().mean()
        whole = mean.clone()
        dist.all_reduce(whole)
        return part + (whole / self.count - mean)


class ModelWithLoss(nn.Module):
    """A model that returns its losses, so that DDP synchronizes a single forward pass."""

    def __init__(self, model: nn.Module, objective: Objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, images: Images, labels: Labels) -> PerImage:
        return self.objective(self.model, images, labels)


class AllReduceSum(torch.autograd.Function):
    """Sum of a tensor over all processes; the gradient is summed over them, too."""

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


class SynchronizedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch norm over the parts of all processes, on any device.

    `torch.nn.SyncBatchNorm` works on CUDA only.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        pass  # the layer that it replaces has accepted the shape

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and dist.is_initialized()):
            return super().forward(input)
        values = input.float()
        axes = [axis for axis in range(values.dim()) if axis != 1]
        count = values.new_full((1,), values.numel() / values.shape[1])
        sums: Tensor = AllReduceSum.apply(  # type: ignore[no-untyped-call]
            torch.cat([values.sum(axes), values.square().sum(axes), count])
        )
        first, second, count = torch.split(sums, [self.num_features, self.num_features, 1])
        mean = first / count
        variance = (second / count - mean.square()).clamp_min(0)
        self._update_running_statistics(mean.detach(), variance.detach(), count.detach())
        shape = (1, -1, *(1,) * len(axes[1:]))
        scale = (variance + self.eps).rsqrt()
        out = (values - mean.view(shape)) * scale.view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        result: Tensor = out.to(input.dtype)
        return result

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Update running mean and variance as `nn.BatchNorm2d` does."""
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        batches = self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
        rate = 1 / float(batches) if self.momentum is None else self.momentum
        unbiased = variance * count / (count - 1).clamp_min(1)
        self.running_mean.lerp_(mean, rate)
        self.running_var.lerp_(unbiased, rate)


def synchronize_batch_norm(model: nn.Module) -> None:
    """Replace every batch norm by a `SynchronizedBatchNorm` with the same parameters."""
    batch_norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) in batch_norms:
                setattr(parent, name, _synchronized(layer))  # type: ignore[arg-type]


def _synchronized(layer: nn.modules.batchnorm._BatchNorm) -> SynchronizedBatchNorm:
    """A synchronized layer that shares the tensors of another."""
    track, affine = layer.track_running_stats, layer.affine
    synchronized = SynchronizedBatchNorm(
        layer.num_features, layer.eps, layer.momentum, affine, track
    )
    synchronized._parameters, synchronized._buffers = layer._parameters, layer._buffers
    return synchronized.train(layer.training)

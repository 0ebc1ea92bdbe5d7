"""Statistics of the activations of every layer, a few numbers per channel and image."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..types import Features, Images, Labels, Logits, Pixels, Progress, no_progress
from .inference import collect_rows, forward_hooks, frozen, iter_batches, map_batches

NORMALIZATION_LAYERS = (
    nn.modules.batchnorm._NormBase,  # batch and instance norm
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)
WEIGHT_LAYERS = (nn.Linear, nn.modules.conv._ConvNd)
BATCH_SIZE = 512


def activations(
    model: nn.Module,
    pixels: Pixels,
    *,
    batch_size: int = BATCH_SIZE,
    phase: str = "activations",
    progress: Progress = no_progress,
) -> tuple[Features, Labels]:
    """Compute channel statistics of every layer, and the predicted labels.

    The statistics are the mean and the maximum over positions of every channel. They are taken
    after every normalization layer. A network without such layers is read after every convolution
    and linear layer. If no layer can be hooked, the logits are the statistics. The model is left
    as it was.

    Args:
        pixels: uint8 images, on any device.
    Returns:
        Statistics `(n, d)` in half precision and labels `(n,)`, both on the CPU.
    """
    pooled: list[Tensor] = []

    def outputs() -> Iterator[tuple[Tensor, Tensor]]:
        batches = iter_batches(model, pixels, batch_size, phase, progress)
        for logits in map_batches(lambda images: _forward(model, images, pooled), batches):
            yield torch.cat(pooled or [logits], 1), logits.argmax(1)

    with frozen(model), torch.inference_mode(), _pooling_hooks(model, pooled):
        return gather_activations(outputs(), len(pixels))


def forward_with_statistics(model: nn.Module, images: Images) -> tuple[Logits, Features]:
    """Compute logits and channel statistics of one batch, in the model's mode and with gradients.

    Returns:
        Logits `(n, k)` and statistics `(n, d)`, both float32; see `activations`.
    """
    pooled: list[Tensor] = []
    with _pooling_hooks(model, pooled):
        logits = _forward(model, images, pooled)
    return logits, torch.cat(pooled or [logits], 1)


def gather_activations(
    parts: Iterable[tuple[Tensor, Tensor]], count: int
) -> tuple[Features, Labels]:
    """Concatenate the statistics and the predictions of consecutive batches.

    Args:
        parts: statistics and labels of each batch.
        count: number of images of all batches.
    """
    labels: list[Tensor] = []

    def rows() -> Iterator[Tensor]:
        for part, part_labels in parts:
            labels.append(part_labels.cpu())
            yield part

    statistics = collect_rows(rows(), count, torch.half)
    with torch.inference_mode(False):  # the labels may be used in training
        return statistics, torch.cat([torch.zeros(0, dtype=torch.long), *labels])


def _forward(model: nn.Module, images: Images, pooled: list[Tensor]) -> Tensor:
    """Logits of a batch; the hooks fill `pooled` anew."""
    pooled.clear()
    logits: Tensor = model(images).float()
    return logits


@contextmanager
def _pooling_hooks(model: nn.Module, pooled: list[Tensor]) -> Iterator[None]:
    """Append the pooled outputs of the model's layers to `pooled`."""

    def append(layer: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() > 1:
            pooled.append(_pool(output.float(), _is_channels_last(layer, output)))

    with forward_hooks(_layers(model), append):
        yield


def _layers(model: nn.Module) -> list[nn.Module]:
    """The normalization layers or, without any, the weight layers; none of a script."""
    if isinstance(model, torch.jit.ScriptModule):
        return []
    modules: list[nn.Module] = list(model.modules())
    layers: list[nn.Module] = [
        module for module in modules if isinstance(module, NORMALIZATION_LAYERS)
    ]
    return layers or [module for module in modules if isinstance(module, WEIGHT_LAYERS)]


def _is_channels_last(layer: nn.Module, output: Tensor) -> bool:
    """Whether the last axis holds the channels: where a layer norm covers that axis only."""
    shape = tuple(getattr(layer, "normalized_shape", ()))
    if output.dim() == 3 or type(layer) is nn.LayerNorm:
        return shape != output.shape[-3:]
    return shape == (output.shape[-1],) and shape != (output.shape[1],)


def _pool(output: Tensor, channels_last: bool) -> Tensor:
    """Mean and maximum of every channel over all positions, `(n, 2 * c)`."""
    if output.dim() == 2:
        return output
    positions = output.flatten(1, -2).transpose(1, 2) if channels_last else output.flatten(2)
    return torch.cat([positions.mean(2), positions.amax(2)], 1)

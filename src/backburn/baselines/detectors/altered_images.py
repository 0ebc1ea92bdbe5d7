"""Statistics of each image, from predictions on altered versions of it."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from ...models.inference import collect_rows, fast_inference, iter_batches, map_batches
from ...types import Images, Labels, PerImage, Pixels, Progress, no_progress

BATCH = 512


def measure_images(
    model: nn.Module,
    pixels: Pixels,
    measure: Callable[[Images], Tensor],
    phase: str,
    progress: Progress = no_progress,
) -> Tensor:
    """Apply `measure` to batches of all images.

    Meanwhile the model is frozen, and runs in bf16 if that is faster.

    Args:
        model: the model that `measure` uses.
        pixels: the images.
        measure: returns one row for each image of a batch.
        phase: name of the phase, for `progress`.
        progress: called after each batch.
    Returns:
        One row for each image, on the CPU.
    """
    with fast_inference(model):
        images = iter_batches(model, pixels, BATCH, phase, progress)
        values = map_batches(measure, images)
        return collect_rows((part.float() for part in values), len(pixels))


def agreement(
    model: nn.Module, images: Images, predictions: Labels, scales: Iterable[float]
) -> PerImage:
    """Share of the scales at which `scale * images`, clipped to [0, 1], keep their predictions."""
    same = [model((scale * images).clamp(0, 1)).argmax(1) == predictions for scale in scales]
    return torch.stack(same).float().mean(0)

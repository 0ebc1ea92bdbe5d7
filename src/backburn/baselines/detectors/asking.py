"""A number of every image, from what the model says of altered versions of it."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from ...models.inference import asked, batches, collected, quick
from ...types import Images, PerImage, Pixels, Progress, silent

BATCH = 512


def measured(
    model: nn.Module,
    pixels: Pixels,
    measure: Callable[[Images], Tensor],
    phase: str,
    progress: Progress = silent,
) -> Tensor:
    """What `measure` returns, a row an image, of all batches; on the CPU.

    Within it the model is frozen and answers in bf16 where that is faster.
    """
    with quick(model):
        images = batches(model, pixels, BATCH, phase, progress)
        said = asked(measure, images)
        return collected((part.float() for part in said), len(pixels))


def agreement(model: nn.Module, shown: Images, said: Tensor, scales: Iterable[float]) -> PerImage:
    """Share of the scales at which `scale * shown`, clipped at white, is called as was `said`."""
    kept = [model((scale * shown).clamp(0, 1)).argmax(1) == said for scale in scales]
    return torch.stack(kept).float().mean(0)

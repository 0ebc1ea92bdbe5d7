"""What every layer of a network makes of an image, in a few numbers per channel."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..types import Features, Images, Labels, Pixels, Progress, silent
from .inference import asked, batches, collected, frozen, hooked

NORMALIZING = (
    nn.modules.batchnorm._NormBase,  # batch and instance norm
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)
WEIGHING = (nn.Linear, nn.modules.conv._ConvNd)
BATCH = 512


def activations(
    model: nn.Module,
    pixels: Pixels,
    *,
    batch_size: int = BATCH,
    phase: str = "activations",
    progress: Progress = silent,
) -> tuple[Features, Labels]:
    """Channel statistics of every layer, and the predictions; the model is left as it was.

    Args:
        pixels: uint8 images, on any device.
    Returns:
        On the CPU, `(n, d)` in half precision: mean and maximum over positions of every channel
        after every normalizing layer (after every convolution and linear layer where there is
        none, the logits themselves where no layer can be watched); and the predicted labels.
    """
    seen: list[Tensor] = []

    def found() -> Iterator[tuple[Tensor, Tensor]]:
        given = batches(model, pixels, batch_size, phase, progress)
        for said in asked(lambda images: _ask(model, images, seen), given):
            yield torch.cat(seen or [said], 1), said.argmax(1)

    with frozen(model), torch.inference_mode(), _watched(model, seen):
        return gathered(found(), len(pixels))


def gathered(parts: Iterable[tuple[Tensor, Tensor]], count: int) -> tuple[Features, Labels]:
    """Statistics and predictions of consecutive images, put together."""
    said: list[Tensor] = []

    def rows() -> Iterator[Tensor]:
        for values, labels in parts:
            said.append(labels.cpu())
            yield values

    table = collected(rows(), count, torch.half)
    with torch.inference_mode(False):  # what comes of it may be trained on
        return table, torch.cat([torch.zeros(0, dtype=torch.long), *said])


def _ask(model: nn.Module, images: Images, seen: list[Tensor]) -> Tensor:
    seen.clear()
    said: Tensor = model(images).float()
    return said


@contextmanager
def _watched(model: nn.Module, seen: list[Tensor]) -> Iterator[None]:
    """Append to `seen` what comes out of the model's layers, while it lasts."""

    def note(layer: nn.Module, _given: object, out: object) -> None:
        if isinstance(out, Tensor) and out.dim() > 1:
            seen.append(_pooled(out.float(), _channels_last(layer, out)))

    with hooked(_layers(model), note):
        yield


def _layers(model: nn.Module) -> list[nn.Module]:
    """The normalizing layers, or where there is none, those that weigh; none of a script."""
    if isinstance(model, torch.jit.ScriptModule):
        return []
    modules: list[nn.Module] = list(model.modules())
    normalizing: list[nn.Module] = [module for module in modules if isinstance(module, NORMALIZING)]
    weighing: list[nn.Module] = [module for module in modules if isinstance(module, WEIGHING)]
    return normalizing or weighing


def _channels_last(layer: nn.Module, out: Tensor) -> bool:
    """Whether the channels of maps are last: where a layer norm goes over that axis only."""
    shape = tuple(getattr(layer, "normalized_shape", ()))
    if out.dim() == 3 or type(layer) is nn.LayerNorm:
        return shape != out.shape[-3:]
    return shape == (out.shape[-1],) and shape != (out.shape[1],)


def _pooled(out: Tensor, channels_last: bool) -> Tensor:
    """Mean and maximum of every channel, over all positions."""
    if out.dim() == 2:
        return out
    places = out.flatten(1, -2).transpose(1, 2) if channels_last else out.flatten(2)
    return torch.cat([places.mean(2), places.amax(2)], 1)

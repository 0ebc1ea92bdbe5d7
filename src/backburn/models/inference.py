"""Inference in batches: predictions, features and accuracy; the model is left as it was."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

from .. import memory_mapped
from ..errors import InputError
from ..memory_mapped import byte_count, release_pages, write_temporary
from ..types import Features, Images, LabeledImages, Labels, Logits, Pixels, Progress, no_progress
from .out_of_memory import AdaptiveBatchSize

REFERENCE_PIXELS = 32 * 32
"""Pixels of the image that batch and shard sizes refer to."""
MIN_BATCH_SIZE = 8
"""Images in a batch, even if they are large."""


@contextmanager
def frozen(model: nn.Module) -> Iterator[nn.Module]:
    """Put a model into evaluation mode and freeze its parameters; restore both at the end."""
    training = {module: module.training for module in model.modules()}
    requires_grad = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        yield model.eval().requires_grad_(False)
    finally:
        for module, mode in training.items():
            module.training = mode
        for parameter, value in requires_grad.items():
            parameter.requires_grad_(value)


@contextmanager
def forward_hooks(layers: Iterable[nn.Module], hook: Callable[..., object]) -> Iterator[None]:
    """Call `hook(layer, inputs, output)` after each forward pass of these layers."""
    handles = [layer.register_forward_hook(hook) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def fast_inference(model: nn.Module) -> Iterator[nn.Module]:
    """Freeze a model and run it without gradients, in bf16 where that is faster."""
    device = device_of(model)
    bf16 = has_native_bf16(device)
    with frozen(model), torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, bf16):
        yield model


def best_device(name: str = "auto") -> torch.device:
    """Find a device by name: `cpu`, `cuda`, `cuda:N`, or with `auto` CUDA if there is any.

    Raises:
        InputError: this machine has no such device.

    >>> best_device("cpu")
    device(type='cpu')
    """
    cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "cpu")
    if name == "cpu" or (cuda and name in ("cuda", *_cuda_names())):
        return torch.device(name)
    raise InputError(
        f"no device {name!r} on this machine: give auto, cpu, or cuda where there is one"
    )


def _cuda_names() -> list[str]:
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def device_of(model: nn.Module) -> torch.device:
    """Return the device of the model's first parameter; the CPU if it has none."""
    parameter = next(model.parameters(), None)
    return parameter.device if parameter is not None else torch.device("cpu")


def has_native_bf16(device: torch.device) -> bool:
    """Return whether bf16 is native: CUDA from Ampere on, x86 with AMX or AVX-512 BF16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def as_images(pixels: Pixels, device: torch.device | None = None) -> Images:
    """Convert uint8 pixels to float32 in [0, 1], in the memory format channels last.

    >>> as_images(torch.full((1, 1, 1, 2), 51, dtype=torch.uint8))
    tensor([[[[0.2000, 0.2000]]]])
    """
    moved = pixels.to(device=device, dtype=torch.float32)
    return moved.div_(255).contiguous(memory_format=torch.channels_last)


def effective_batch_size(pixels: Pixels, batch_size: int, device: torch.device) -> int:
    """Return how many of these images make a batch.

    On the CPU, batches of larger images are smaller, so that memory does not grow with the image
    size. Large batches gain nothing there. A batch has at least eight images.

    Args:
        batch_size: number of 32x32 images.

    >>> pixels = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    >>> effective_batch_size(pixels, 512, torch.device("cpu"))
    128
    """
    if device.type != "cpu":
        return batch_size
    limit = batch_size * REFERENCE_PIXELS // (pixels.shape[-2] * pixels.shape[-1])
    return min(batch_size, max(MIN_BATCH_SIZE, limit))


def iter_batches(
    model: nn.Module,
    pixels: Pixels,
    batch_size: int,
    phase: str = "",
    progress: Progress = no_progress,
) -> Iterator[Images]:
    """Yield batches of images in [0, 1] on the model's device, in order.

    The pages of memory-mapped pixels are released after each batch.

    Args:
        batch_size: see `effective_batch_size`.
    """
    device, total = device_of(model), pixels.shape[0]
    batch_size = effective_batch_size(pixels, batch_size, device)
    for start in range(0, total, batch_size):
        part = pixels[start : start + batch_size]
        images = as_images(part, device)
        release_pages(part)
        yield images
        progress(phase, min(start + batch_size, total), total)


def predict(
    model: nn.Module,
    pixels: Pixels,
    *,
    batch_size: int = 512,
    phase: str = "predict",
    progress: Progress = no_progress,
) -> Logits:
    """Compute fp32 logits `(n, k)` of uint8 images, on the CPU; the model is left as it was."""
    with frozen(model), torch.inference_mode():
        batches = iter_batches(model, pixels, batch_size, phase, progress)
        return collect_rows(map_batches(model, batches), len(pixels))


def predict_labels(model: nn.Module, pixels: Pixels, *, batch_size: int = 512) -> Labels:
    """Predict the class `(n,)` of each image, on the CPU, for statistics over many images.

    Runs in bf16 where that is faster. Images near a boundary may then go either way.
    """
    with fast_inference(model):
        logits = map_batches(model, iter_batches(model, pixels, batch_size))
        return collect_rows((part.argmax(1) for part in logits), len(pixels), torch.long)


def accuracy(model: nn.Module, images: LabeledImages) -> float:
    """Compute the accuracy of a model on labeled images, in [0, 1]."""
    predictions = predict(model, images.pixels).argmax(1)
    return float((predictions == images.labels.cpu()).double().mean())


def penultimate_features(model: nn.Module, pixels: Pixels, *, batch_size: int = 512) -> Features:
    """Compute fp32 features `(n, d)` before the head, on the CPU; the model has `features`."""
    with frozen(model), torch.inference_mode():
        batches = iter_batches(model, pixels, batch_size)
        return collect_rows(map_batches(model.features, batches), len(pixels))  # type: ignore[arg-type]


def map_batches(
    function: Callable[[Images], Tensor], batches: Iterable[Images]
) -> Iterator[Tensor]:
    """Apply a function to every batch; split batches that do not fit into memory."""
    memory = AdaptiveBatchSize("asking about")
    for batch in batches:
        yield from memory.run(len(batch), partial(_apply, function, batch))


def _apply(function: Callable[[Images], Tensor], batch: Images, rows: slice) -> Tensor:
    return function(batch[rows])


def collect_rows(
    outputs: Iterable[Tensor], count: int, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Concatenate the outputs of all batches on the CPU; large results are memory-mapped.

    Args:
        count: number of rows of all batches.

    >>> collect_rows([torch.zeros(2, 3), torch.ones(1, 3)], 3).shape
    torch.Size([3, 3])
    """
    parts = iter(outputs)
    first = next(parts, None)
    if first is None:
        return torch.empty(0, dtype=dtype)
    shape, parts = (count, *first.shape[1:]), chain([first], parts)
    if byte_count(shape, dtype) > memory_mapped.MAX_OUTPUTS_IN_MEMORY:
        return write_temporary(
            (_to_array(part, dtype) for part in parts), shape, dtype, "activations"
        )
    # one tensor up front: small results kept between large temporaries fragment the heap
    with torch.inference_mode(False):  # the result may be used in training
        rows, start = torch.empty(shape, dtype=dtype), 0
    for part in parts:
        rows[start : start + len(part)] = part
        start += len(part)
    return rows


def _to_array(part: Tensor, dtype: torch.dtype) -> np.ndarray:
    return part.to("cpu", dtype).numpy()

"""Asking a model about many images, and leaving it as it was."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

from .. import memory_mapped
from ..errors import InputError
from ..memory_mapped import release, size_of, spilled
from ..types import Features, Images, LabeledImages, Labels, Logits, Pixels, Progress, silent
from .out_of_memory import Halving

USUAL, FEWEST = 32 * 32, 8
"""Pixels of an image that batches and shards are counted in, and images of a batch at the least."""


@contextmanager
def frozen(model: nn.Module) -> Iterator[nn.Module]:
    """The model in evaluation mode with frozen parameters; both are restored, whatever happens."""
    training = {module: module.training for module in model.modules()}
    needed = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        yield model.eval().requires_grad_(False)
    finally:
        for module, mode in training.items():
            module.training = mode
        for parameter, mode in needed.items():
            parameter.requires_grad_(mode)


@contextmanager
def hooked(layers: Iterable[nn.Module], note: Callable[..., None]) -> Iterator[None]:
    """Have `note(layer, given, out)` called after each call of these layers, while it lasts."""
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def quick(model: nn.Module) -> Iterator[nn.Module]:
    """The model frozen, without gradients, in bf16 where that is faster."""
    device = device_of(model)
    low = gains_from_bf16(device)
    with frozen(model), torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, low):
        yield model


def best_device(name: str = "auto") -> torch.device:
    """`cpu`, `cuda`, or with `auto` a CUDA device where there is one.

    Raises:
        InputError: no such device here.
    """
    cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "cpu")
    if name == "cpu" or (cuda and name in ("cuda", *_numbered())):
        return torch.device(name)
    raise InputError(
        f"no device {name!r} on this machine: give auto, cpu, or cuda where there is one"
    )


def _numbered() -> list[str]:
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def device_of(model: nn.Module) -> torch.device:
    """Where the model's first parameter lies."""
    parameter = next(model.parameters(), None)
    return parameter.device if parameter is not None else torch.device("cpu")


def gains_from_bf16(device: torch.device) -> bool:
    """Whether bf16 arithmetic is native: CUDA from Ampere on, x86 with AMX or AVX-512 BF16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )


def as_images(pixels: Pixels, device: torch.device | None = None) -> Images:
    """uint8 pixels as float32 in [0, 1], channels last."""
    moved = pixels.to(device=device, dtype=torch.float32)
    return moved.div_(255).contiguous(memory_format=torch.channels_last)


def at_once(pixels: Pixels, batch_size: int, device: torch.device) -> int:
    """How many of these images are asked about together.

    Args:
        batch_size: images of 32x32; on the CPU, which gains nothing by large batches, fewer of
            larger ones, so that memory does not grow with their size; eight at the least.
    """
    if device.type != "cpu":
        return batch_size
    most = batch_size * USUAL // (pixels.shape[-2] * pixels.shape[-1])
    return min(batch_size, max(FEWEST, most))


def batches(
    model: nn.Module, pixels: Pixels, batch_size: int, phase: str = "", progress: Progress = silent
) -> Iterator[Images]:
    """Images in [0, 1] on the model's device, a batch at a time, in order.

    Pixels that are mapped from a file are let go of batch by batch.

    Args:
        batch_size: see `at_once`.
    """
    device, total = device_of(model), pixels.shape[0]
    batch_size = at_once(pixels, batch_size, device)
    for start in range(0, total, batch_size):
        part = pixels[start : start + batch_size]
        images = as_images(part, device)
        release(part)
        yield images
        progress(phase, min(start + batch_size, total), total)


def predict(
    model: nn.Module,
    pixels: Pixels,
    *,
    batch_size: int = 512,
    phase: str = "predict",
    progress: Progress = silent,
) -> Logits:
    """fp32 logits `(n, k)` of uint8 images, on the CPU; the model is left as it was."""
    with frozen(model), torch.inference_mode():
        images = batches(model, pixels, batch_size, phase, progress)
        return collected(asked(model, images), len(pixels))


def called(model: nn.Module, pixels: Pixels, *, batch_size: int = 512) -> Labels:
    """The class `(n,)` that a model calls each image, on the CPU, for what is counted over many.

    In bf16 where that is faster, so that what lies between two classes may go either way.
    """
    with quick(model):
        said = (part.argmax(1) for part in asked(model, batches(model, pixels, batch_size)))
        return collected(said, len(pixels), torch.long)


def accuracy(model: nn.Module, images: LabeledImages) -> float:
    """The share of these images that the model calls by their label, in [0, 1]."""
    said = predict(model, images.pixels).argmax(1)
    return float((said == images.labels.cpu()).double().mean())


def penultimate(model: nn.Module, pixels: Pixels, *, batch_size: int = 512) -> Features:
    """fp32 features `(n, d)` before the head, on the CPU, of a model that names them."""
    with frozen(model), torch.inference_mode():
        images = batches(model, pixels, batch_size)
        return collected(asked(model.features, images), len(pixels))  # type: ignore[arg-type]


def asked(ask: Callable[[Images], Tensor], images: Iterable[Images]) -> Iterator[Tensor]:
    """What is said of all batches, each in as many parts as memory asks for."""
    memory = Halving("asking about")
    for batch in images:
        yield from memory.each(len(batch), partial(_part, ask, batch))


def _part(ask: Callable[[Images], Tensor], batch: Images, rows: slice) -> Tensor:
    return ask(batch[rows])


def collected(outputs: Iterable[Tensor], count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Rows of all batches in one tensor, on the CPU; a mapped file where that would be much."""
    parts = iter(outputs)
    first = next(parts, None)
    if first is None:
        return torch.empty(0, dtype=dtype)
    shape, parts = (count, *first.shape[1:]), chain([first], parts)
    if size_of(shape, dtype) > memory_mapped.SAID_IN_MEMORY:
        return spilled((_array(part, dtype) for part in parts), shape, dtype, "activations")
    # into one tensor: small ones that stay, made between large ones that go, fragment the heap
    with torch.inference_mode(False):  # what comes of it may be trained on
        rows, start = torch.empty(shape, dtype=dtype), 0
    for part in parts:
        rows[start : start + len(part)] = part
        start += len(part)
    return rows


def _array(part: Tensor, dtype: torch.dtype) -> np.ndarray:
    return part.to("cpu", dtype).numpy()

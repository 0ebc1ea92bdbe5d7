"""Embeddings of images: the features before a network's last linear layer."""

import torch
from torch import Tensor, nn

from ..types import Features, Images, Pixels, Progress, no_progress
from .inference import collect_rows, forward_hooks, frozen, iter_batches, map_batches

BATCH_SIZE = 256


def embeddings(
    network: nn.Module,
    pixels: Pixels,
    *,
    phase: str = "embedding",
    progress: Progress = no_progress,
) -> Features:
    """Compute the input `(n, d)` of a network's last linear layer, on the CPU.

    A network with a method `features` is asked for these instead. If the output is not that of a
    linear layer, the network is taken for an encoder and its output is the embedding.

    Args:
        pixels: uint8 images, on any device.
    """
    calls: list[tuple[Tensor, Tensor]] = []
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]

    def record(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if output.dim() == 2:
            calls.append((inputs[0], output))

    def embed(images: Images) -> Tensor:
        if callable(features := getattr(network, "features", None)):
            return features(images).float().flatten(1)  # type: ignore[no-any-return]
        calls.clear()
        result: Tensor = network(images)
        head_input = (taken for taken, output in reversed(calls) if torch.equal(output, result))
        return next(head_input, result).float().flatten(1)

    with frozen(network), torch.inference_mode(), forward_hooks(linear, record):
        batches = iter_batches(network, pixels, BATCH_SIZE, phase, progress)
        return collect_rows(map_batches(embed, batches), len(pixels))

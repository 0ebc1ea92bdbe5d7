"""What a network makes of an image as a whole: the features that its last layer is given."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..types import Features, Images, Pixels, Progress, silent
from .inference import asked, batches, collected, frozen

BATCH = 256


def embeddings(
    network: nn.Module, pixels: Pixels, *, phase: str = "embedding", progress: Progress = silent
) -> Features:
    """The features `(n, d)` that the last layer is given, on the CPU.

    Those that a network names (`features`), or what its last linear layer is given. What it
    returns, where that is not the outcome of a linear layer: an encoder's own.

    Args:
        pixels: uint8 images, on any device.
    """
    given: list[tuple[Tensor, Tensor]] = []

    def ask(images: Images) -> Tensor:
        if callable(named := getattr(network, "features", None)):
            return named(images).float().flatten(1)  # type: ignore[no-any-return]
        given.clear()
        said: Tensor = network(images)
        last = (taken for taken, out in reversed(given) if torch.equal(out, said))
        return next(last, said).float().flatten(1)

    with frozen(network), torch.inference_mode(), _linear_layers(network, given):
        return collected(asked(ask, batches(network, pixels, BATCH, phase, progress)), len(pixels))


@contextmanager
def _linear_layers(network: nn.Module, given: list[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Append to `given` what goes into linear layers, and what comes out, while it lasts."""

    def note(_layer: nn.Module, taken: tuple[Tensor, ...], out: Tensor) -> None:
        if out.dim() == 2:
            given.append((taken[0], out))

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

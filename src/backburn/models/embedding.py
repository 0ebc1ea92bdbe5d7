"""What a network makes of an image as a whole: the features that its last layer is given."""

import torch
from torch import Tensor, nn

from ..types import Features, Images, Pixels, Progress, silent
from .inference import asked, batches, collected, frozen, hooked

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
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]

    def note(_layer: nn.Module, taken: tuple[Tensor, ...], out: Tensor) -> None:
        if out.dim() == 2:
            given.append((taken[0], out))

    def ask(images: Images) -> Tensor:
        if callable(named := getattr(network, "features", None)):
            return named(images).float().flatten(1)  # type: ignore[no-any-return]
        given.clear()
        said: Tensor = network(images)
        last = (taken for taken, out in reversed(given) if torch.equal(out, said))
        return next(last, said).float().flatten(1)

    with frozen(network), torch.inference_mode(), hooked(linear, note):
        return collected(asked(ask, batches(network, pixels, BATCH, phase, progress)), len(pixels))

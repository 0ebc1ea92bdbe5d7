"""What moves the logit of an image's label, layer by layer."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...models.inference import batches, device_of, frozen, hooked
from ...types import Labels, Pixels, Progress, silent

BATCH = 128


def activation_gradients(
    model: nn.Module, pixels: Pixels, labels: Labels, progress: Progress = silent
) -> list[Tensor]:
    """The gradient of the label's logit by what each convolution puts out, mean over positions.

    Returns:
        A tensor `(n, c)` a convolution, in the order in which they are computed, on the CPU; none
        where the model has no convolution that can be watched.
    """
    seen: dict[int, Tensor] = {}
    parts: list[list[Tensor]] = []
    start, device = 0, device_of(model)
    with frozen(model), _watched(model, seen):
        for images in batches(model, pixels, BATCH, "gradients", progress):
            seen.clear()
            chosen = labels[start : start + len(images)].to(device)
            # the gradient of the images is not wanted, but that of the layers is on its way
            logits = model(images.requires_grad_()).gather(1, chosen[:, None])
            torch.autograd.grad(logits.sum(), images)
            parts.append([seen[number].cpu() for number in sorted(seen)])
            start += len(images)
    return [torch.cat(layer) for layer in zip(*parts, strict=True)]


@contextmanager
def _watched(model: nn.Module, seen: dict[int, Tensor]) -> Iterator[None]:
    """Put the gradients of the convolutions' outputs into `seen`, by the order of their calls."""

    def note(_layer: nn.Module, _given: object, out: Tensor) -> None:
        number = len(seen)
        seen[number] = out

        def keep(gradient: Tensor) -> None:
            seen[number] = gradient.mean((2, 3))

        # on the tensor, not on the module: it holds where the next layer works in place
        out.register_hook(keep)  # type: ignore[no-untyped-call]

    layers = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    with hooked(layers, note):
        yield

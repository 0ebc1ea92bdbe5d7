"""The last feature map of a convolutional network before its last downsampling."""

from collections.abc import Callable, Iterator
from itertools import count

from torch import Tensor, nn

from ...errors import InputError
from ...models.inference import as_images, device_of, forward_hooks, iter_batches
from ...types import Images, Pixels


def find_last_large_map(model: nn.Module, pixels: Pixels, method: str) -> int:
    """Find the last feature map before the last downsampling.

    If the resolution never changes, this is the last map. Only modules without submodules count
    as layers. Maps of one position, such as pooled ones, do not count.

    Args:
        model: a frozen model.
        pixels: one image or a few.
        method: name of the method, for the message.
    Returns:
        The number of the map, counted from 0 in the order in which layers return maps.
    Raises:
        InputError: the network has no feature maps.
    """
    sizes: list[int] = []
    _visit_maps(
        model,
        as_images(pixels, device_of(model)),
        lambda _, layer_map: sizes.append(layer_map.shape[2] * layer_map.shape[3]),
    )
    numbers = [number for number, size in enumerate(sizes) if size > 1]
    if not numbers:
        raise InputError(f"{method} needs a convolutional network: no layer returns feature maps")
    large = [number for number in numbers if sizes[number] > sizes[numbers[-1]]]
    return large[-1] if large else numbers[-1]


def feature_maps(
    model: nn.Module, pixels: Pixels, number: int, batch_size: int = 256
) -> Iterator[Tensor]:
    """Yield the map `(n, c, h, w)` of this number for each batch; the model must be frozen."""
    for images in iter_batches(model, pixels, batch_size):
        yield _feature_map(model, images, number)


def _feature_map(model: nn.Module, images: Images, number: int) -> Tensor:
    maps: list[Tensor] = []
    _visit_maps(
        model, images, lambda index, layer_map: maps.append(layer_map) if index == number else None
    )
    return maps[0].float()


def _visit_maps(model: nn.Module, images: Images, visit: Callable[[int, Tensor], None]) -> None:
    """Run the model, and call `visit` with the number of every feature map and the map."""
    numbers = count()

    def hook(_layer: nn.Module, _inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            visit(next(numbers), output)

    layers = [module for module in model.modules() if not any(True for _ in module.children())]
    with forward_hooks(layers, hook):
        model(images)

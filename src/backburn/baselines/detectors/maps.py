"""The feature map of a convolutional network before it last lowers its resolution."""

from collections.abc import Callable, Iterator
from itertools import count

from torch import Tensor, nn

from ...errors import InputError
from ...models.inference import as_images, batches, device_of, hooked
from ...types import Images, Pixels


def last_large_map(model: nn.Module, pixels: Pixels, method: str) -> int:
    """Which map, counted from 0 as layers return them, is the last before the last downsampling.

    The last of all where resolution is the same throughout. A layer is a module without parts;
    maps of one position (pooled ones) do not count.

    Args:
        pixels: an image or a few; the model is frozen.
    Raises:
        InputError: a network without maps.
    """
    sizes: list[int] = []
    _watch(model, as_images(pixels, device_of(model)), lambda _, map_: sizes.append(_places(map_)))
    maps = [number for number, size in enumerate(sizes) if size > 1]
    if not maps:
        raise InputError(f"{method} needs a convolutional network: no layer returns feature maps")
    large = [number for number in maps if sizes[number] > sizes[maps[-1]]]
    return large[-1] if large else maps[-1]


def maps(model: nn.Module, pixels: Pixels, number: int, batch_size: int = 256) -> Iterator[Tensor]:
    """That map, `(n, c, h, w)`, of every image, a batch at a time; the model is frozen."""
    for images in batches(model, pixels, batch_size):
        yield _map(model, images, number)


def _map(model: nn.Module, images: Images, number: int) -> Tensor:
    taken: list[Tensor] = []
    _watch(model, images, lambda at, map_: taken.append(map_) if at == number else None)
    return taken[0].float()


def _places(map_: Tensor) -> int:
    return map_.shape[2] * map_.shape[3]


def _watch(model: nn.Module, images: Images, use: Callable[[int, Tensor], None]) -> None:
    """Ask the model, and hand `use` every map that a layer returns, with its number."""
    numbers = count()

    def note(_layer: nn.Module, _given: object, out: object) -> None:
        if isinstance(out, Tensor) and out.dim() == 4:
            use(next(numbers), out)

    layers = [module for module in model.modules() if not any(True for _ in module.children())]
    with hooked(layers, note):
        model(images)

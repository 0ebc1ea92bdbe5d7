"""The last feature map of every resolution, which attention is computed from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from ...errors import InputError
from ...models.inference import forward_hooks, predict
from ...types import Pixels

SPATIAL = (nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm)


@contextmanager
def record_stages(model: nn.Module) -> Iterator[dict[tuple[int, int], Tensor]]:
    """Record the last feature map `(n, c, h, w)` of every resolution while the model runs.

    Maps of 1x1 do not count, nor do tokens of transformers and layers with channels last.

    Yields:
        The maps by resolution `(h, w)`, filled by each forward pass.
    """
    maps: dict[tuple[int, int], Tensor] = {}

    def note(_layer: nn.Module, _inputs: object, output: object) -> None:
        if (
            isinstance(output, Tensor)
            and output.dim() == 4
            and output.shape[-2] * output.shape[-1] > 1
        ):
            maps[(output.shape[-2], output.shape[-1])] = output

    blocks = [block for block in model.modules() if any(map(_is_spatial, block.modules()))]
    with forward_hooks(blocks, note):
        yield maps


def _is_spatial(layer: nn.Module) -> bool:
    return isinstance(layer, SPATIAL)


def coarsest_first(maps: Mapping[tuple[int, int], Tensor]) -> list[Tensor]:
    """The maps that `record_stages` recorded, lowest resolution first."""
    return [maps[size] for size in sorted(maps, key=lambda size: size[0] * size[1])]


def require_stages(model: nn.Module, pixels: Pixels, method: str) -> None:
    """Raise if the model has no feature maps.

    Args:
        pixels: images that the model takes; two of them are looked at.
        method: name of the method, for the message.
    Raises:
        InputError: no layer returns feature maps.
    """
    with record_stages(model) as maps:
        predict(model, pixels[:2])
    if not maps:
        raise InputError(
            f"{method} needs feature maps of convolutions, and {type(model).__name__} shows none: "
            "give a convolutional model"
        )

"""A boundary search kept in shards on disk, so that it goes on where it was stopped."""

from pathlib import Path

from torch import nn

from ..boundary.budget import Budget, budget_named
from ..boundary.distances import boundary
from ..boundary.results import columns_of, join, shifted
from ..data.digest import digest
from ..types import BoundaryResult, Labels, Pixels, Progress, silent
from .sealed import read_tensors, write_tensors

SHARD, USUAL = 4096, 32 * 32
"""Images a shard, and pixels of such an image; at most so many are searched twice after a stop."""


def boundary_in_shards(
    model: nn.Module,
    pixels: Pixels,
    folder: Path,
    *,
    budget: str | Budget = "default",
    batch_size: int = 256,
    directions: bool = False,
    features: bool = False,
    predictions: Labels | None = None,
    shard: int | None = None,
    phase: str = "boundary",
    progress: Progress = silent,
) -> BoundaryResult:
    """`boundary`, with every finished shard written to `folder/KEY.safetensors`.

    KEY is a SHA-256 of the weights, the shard's pixels and the settings, so that a shard is taken
    from the folder only where it would be made the same.

    Args:
        folder: made where it is missing; nothing in it is deleted.
        shard: images a file; by default fewer of larger images, in whole batches.
        others: see `boundary`.
    """
    size = shard or _shard(pixels, batch_size)
    settings = f"{budget_named(budget)} {batch_size} {directions} {features}"
    weights = digest(settings.encode(), *model.state_dict().values())

    def one(begin: int) -> BoundaryResult:
        rows, total = slice(begin, begin + size), len(pixels)
        key = digest(weights.encode(), pixels[rows])
        path = folder / f"{key[:32]}.safetensors"
        columns = read_tensors(path, key)
        if columns is not None:
            progress(phase, min(begin + size, total), total)
            return BoundaryResult(**columns)
        found = boundary(
            model,
            pixels[rows],
            budget=budget,
            batch_size=batch_size,
            directions=directions,
            features=features,
            predictions=None if predictions is None else predictions[rows],
            phase=phase,
            progress=shifted(progress, begin, total),
        )
        write_tensors(path, key, columns_of(found))
        return found

    return join(map(one, range(0, max(len(pixels), 1), size)), len(pixels))


def _shard(pixels: Pixels, batch_size: int) -> int:
    most = SHARD * USUAL // (pixels.shape[-2] * pixels.shape[-1])
    return max(1, min(SHARD, most) // batch_size) * batch_size

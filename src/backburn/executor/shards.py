"""A boundary search kept in shards on disk, so that it goes on where it was stopped."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from ..boundary.budget import budget_named
from ..boundary.concatenation import columns_of, join, shifted
from ..boundary.distances import Search
from ..boundary.projection import norm_named
from ..data.digest import digest
from ..memory_mapped import release
from ..models.inference import USUAL, at_once, device_of
from ..types import BoundaryResult, Labels, Pixels, Progress, silent
from .checked_tensors import read_tensors, write_tensors

SHARD = 4096
"""Images a shard; at most so many are searched twice after a stop."""


class Shard(NamedTuple):
    """Consecutive images, and the file that keeps what is found of them under a key."""

    rows: slice
    path: Path
    key: str


def shards_of(
    model: nn.Module, pixels: Pixels, folder: Path, search: Search, shard: int
) -> Iterator[Shard]:
    """The shards of a search, one at the least; arguments as for `boundary_in_shards`."""
    weights = digest(_told(search).encode(), *model.state_dict().values())
    for begin in range(0, max(len(pixels), 1), shard):
        rows = slice(begin, min(begin + shard, len(pixels)))
        key = digest(weights.encode(), pixels[rows])
        release(pixels[rows])
        yield Shard(rows, folder / f"{key[:32]}.safetensors", key)


def boundary_in_shards(
    model: nn.Module,
    pixels: Pixels,
    folder: Path,
    search: Search,
    *,
    predictions: Labels | None = None,
    shard: int | None = None,
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
    total = len(pixels)

    def one(part: Shard) -> BoundaryResult:
        columns = read_tensors(part.path, part.key)
        if columns is not None:
            progress(search.phase, part.rows.stop, total)
            return BoundaryResult(**columns)
        found = search.run(
            model,
            pixels[part.rows],
            predictions=None if predictions is None else predictions[part.rows],
            progress=shifted(progress, part.rows.start, total),
        )
        write_tensors(part.path, part.key, columns_of(found))
        return found

    shard = shard or shard_of(pixels, search.batch_size, device_of(model))
    return join(map(one, shards_of(model, pixels, folder, search, shard)), total)


def _told(search: Search) -> str:
    """All of a search that its result depends on."""
    budget, norm = budget_named(search.budget), norm_named(search.norm)
    said = f"{budget} {search.batch_size} {search.directions} {search.features}"
    return said if norm == "2" else f"{said} {norm}"  # L2 goes without saying


def shard_of(pixels: Pixels, batch_size: int, device: torch.device, most: int = SHARD) -> int:
    """Images of a shard: `most` of 32x32, fewer of larger ones, in whole batches.

    Batches are then those of one search, which the last digits of its result depend on.

    Args:
        device: of the model; it decides how many larger images are a batch (`at_once`).
    """
    together = at_once(pixels, batch_size, device)
    room = most * USUAL // (pixels.shape[-2] * pixels.shape[-1])
    return max(1, min(most, room) // together) * together

"""Boundary searches in shards of images, each saved to a file so that the search can be resumed."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from ..boundary.budget import get_budget
from ..boundary.concatenation import concatenate, offset_progress, result_columns
from ..boundary.projection import parse_norm
from ..boundary.search_boundary import BoundarySearch
from ..data.tensor_digest import digest
from ..memory_mapped import release_pages
from ..models.inference import REFERENCE_PIXELS, device_of, effective_batch_size
from ..types import BoundaryResult, Labels, Pixels, Progress, no_progress
from .checksummed_files import read_tensors, write_tensors

SHARD_SIZE = 4096
"""Images of 32x32 per shard. An interrupted search repeats at most one shard."""


class Shard(NamedTuple):
    """Consecutive images, and the file of their search result with its key."""

    rows: slice
    path: Path
    key: str


def split_into_shards(
    model: nn.Module, pixels: Pixels, folder: Path, search: BoundarySearch, shard_size: int
) -> Iterator[Shard]:
    """The shards of a search, at least one. See `search_in_shards` for the arguments."""
    search_key = digest(_settings_text(search).encode(), *model.state_dict().values())
    for begin in range(0, max(len(pixels), 1), shard_size):
        rows = slice(begin, min(begin + shard_size, len(pixels)))
        key = digest(search_key.encode(), pixels[rows])
        release_pages(pixels[rows])
        yield Shard(rows, folder / f"{key[:32]}.safetensors", key)


def search_in_shards(
    model: nn.Module,
    pixels: Pixels,
    folder: Path,
    search: BoundarySearch,
    *,
    predictions: Labels | None = None,
    shard_size: int | None = None,
    progress: Progress = no_progress,
) -> BoundaryResult:
    """Run a boundary search, and write each finished shard to `folder/KEY.safetensors`.

    KEY is a SHA-256 of the weights, the pixels of the shard and the settings of the search. A saved
    shard is therefore used only if a new search would give the same result.

    Args:
        folder: created if missing; nothing in it is deleted.
        predictions, progress: see `search_boundary`.
        shard_size: images per shard; see `choose_shard_size` for the default.
    """
    total = len(pixels)

    def search_shard(shard: Shard) -> BoundaryResult:
        columns = read_tensors(shard.path, shard.key)
        if columns is not None:
            progress(search.phase, shard.rows.stop, total)
            return BoundaryResult(**columns)
        result = search.run(
            model,
            pixels[shard.rows],
            predictions=None if predictions is None else predictions[shard.rows],
            progress=offset_progress(progress, shard.rows.start, total),
        )
        write_tensors(shard.path, shard.key, result_columns(result))
        return result

    shard_size = shard_size or choose_shard_size(pixels, search.batch_size, device_of(model))
    shards = split_into_shards(model, pixels, folder, search, shard_size)
    return concatenate(map(search_shard, shards), total)


def _settings_text(search: BoundarySearch) -> str:
    """The settings of a search that its result depends on."""
    budget, norm = get_budget(search.budget), parse_norm(search.norm)
    text = f"{budget} {search.batch_size} {search.directions} {search.features}"
    return text if norm == "2" else f"{text} {norm}"  # L2, the default, is not written out


def choose_shard_size(
    pixels: Pixels, batch_size: int, device: torch.device, largest: int = SHARD_SIZE
) -> int:
    """Images per shard: `largest` of 32x32, fewer of larger images, always whole batches.

    The last digits of a result depend on how the images are batched. With whole batches they are
    those of a search without shards.

    Args:
        device: of the model. On the CPU, batches of larger images are smaller (see
            `effective_batch_size`).
    """
    batch_size = effective_batch_size(pixels, batch_size, device)
    size = largest * REFERENCE_PIXELS // (pixels.shape[-2] * pixels.shape[-1])
    return max(1, min(largest, size) // batch_size) * batch_size

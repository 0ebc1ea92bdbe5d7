"""A boundary search kept in shards on disk, so that it goes on where it was stopped."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ..data.digest import digest
from ..types import BoundaryResult, Labels, Pixels, Progress, silent
from .budget import Budget, budget_named
from .distances import boundary
from .projection import Norm, norm_named
from .results import columns_of, join

SHARD = 4096
"""Images a shard; at most so many are searched twice after an interruption."""


def boundary_in_shards(
    model: nn.Module,
    pixels: Pixels,
    folder: Path,
    *,
    norm: Norm | float = "2",
    budget: str | Budget = "default",
    batch_size: int = 256,
    directions: bool = False,
    features: bool = False,
    predictions: Labels | None = None,
    shard: int = SHARD,
    phase: str = "boundary",
    progress: Progress = silent,
) -> BoundaryResult:
    """`boundary`, with every finished shard written to `folder/NNNNN.safetensors`.

    A shard is taken from the folder where it was made from the same weights, the same pixels and
    the same settings (a SHA-256 of them all is in it); any other file of that name is replaced.

    Args:
        folder: made where it is missing; nothing in it is deleted.
        shard: images a file.
        others: see `boundary`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = f"{norm_named(norm)} {budget_named(budget)} {directions} {features}"
    weights = digest(settings.encode(), *model.state_dict().values())

    def one(begin: int) -> BoundaryResult:
        rows, total = slice(begin, begin + shard), len(pixels)
        path = folder / f"{begin // shard:05d}.safetensors"
        key = digest(weights.encode(), pixels[rows])
        found = _read(path, key)
        if found is None:
            found = boundary(
                model,
                pixels[rows],
                norm=norm,
                budget=budget,
                batch_size=batch_size,
                directions=directions,
                features=features,
                predictions=None if predictions is None else predictions[rows],
                phase=phase,
                progress=shifted(progress, begin, total),
            )
            _write(path, key, found)
        progress(phase, min(begin + shard, total), total)
        return found

    return join(map(one, range(0, max(len(pixels), 1), shard)), len(pixels))


def shifted(progress: Progress, begin: int, total: int) -> Progress:
    """Tells of one shard as a part of the whole."""

    def tell(phase: str, done: int, _: int, /) -> None:
        progress(phase, begin + done, total)

    return tell


def _write(path: Path, key: str, found: BoundaryResult) -> None:
    """Write a shard whole: under another name first."""
    whole = path.with_suffix(".part")
    save_file(columns_of(found), whole, metadata={"key": key})
    whole.replace(path)


def _read(path: Path, key: str) -> BoundaryResult | None:
    """A shard, or None where there is none, or it was made from something else."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            columns: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        return None
    return BoundaryResult(**columns)

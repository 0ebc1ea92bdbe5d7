"""Work that goes on where it was stopped: a folder keeps what is done of it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..boundary.distances import Search
from ..training import TrainingTask, fit
from ..types import BoundaryResult, Labels, Pixels, Progress, silent
from .checkpoints import LEAST, Checkpoints, key_of, size_of
from .interface import Work
from .shards import boundary_in_shards


@dataclass(frozen=True, slots=True)
class Kept(Work):
    """In this process; `folder` keeps shards of every boundary search, and where trainings stand.

    Nothing is taken from the folder that was made from other images, weights, settings or draws. An
    objective is known by its phase only, so a folder serves one command with one configuration.

    Args:
        least: seconds between two checkpoints of a training; 0 writes one after every step.
    """

    folder: Path
    least: float = LEAST

    def boundary(
        self,
        model: nn.Module,
        pixels: Pixels,
        search: Search,
        *,
        predictions: Labels | None = None,
        progress: Progress = silent,
    ) -> BoundaryResult:
        folder = self.folder / "boundary"
        return boundary_in_shards(
            model, pixels, folder, search, predictions=predictions, progress=progress
        )

    def fit(
        self,
        model: nn.Module,
        lesson: TrainingTask,
        generator: torch.Generator,
        *,
        progress: Progress = silent,
    ) -> list[float]:
        """As in `Work`; with a batch transform that is not `Remembering`, nothing is kept."""
        keeper = None
        if lesson.can_be_kept:
            key = key_of(model, lesson, generator)
            path = self.folder / "training" / f"{key[:32]}.safetensors"
            keeper = Checkpoints(path, key, size_of(model), self.least)
        return fit(model, lesson, generator, progress=progress, keeper=keeper)

"""An executor that resumes interrupted trainings and boundary searches from a folder."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..boundary.search_boundary import BoundarySearch
from ..training import TrainingTask, fit
from ..types import BoundaryResult, Labels, Pixels, Progress, no_progress
from .boundary_shards import search_in_shards
from .checkpoints import MIN_INTERVAL, CheckpointFile, checkpoint_size, training_key
from .interface import Executor


@dataclass(frozen=True, slots=True)
class ResumableExecutor(Executor):
    """Runs everything in this process, and saves shards of searches and checkpoints of trainings.

    A saved file is used only for the same images, weights, settings and random state. An objective
    is identified only by the phase of its task. A folder must therefore serve a single command with
    a single configuration.

    Args:
        folder: where the files are saved.
        min_interval: seconds between two checkpoints of a training; 0 writes one after every step.
    """

    folder: Path
    min_interval: float = MIN_INTERVAL

    def search_boundary(
        self,
        model: nn.Module,
        pixels: Pixels,
        search: BoundarySearch,
        *,
        predictions: Labels | None = None,
        progress: Progress = no_progress,
    ) -> BoundaryResult:
        folder = self.folder / "boundary"
        return search_in_shards(
            model, pixels, folder, search, predictions=predictions, progress=progress
        )

    def fit(
        self,
        model: nn.Module,
        task: TrainingTask,
        generator: torch.Generator,
        *,
        progress: Progress = no_progress,
    ) -> list[float]:
        """See `Executor.fit`. A task with a transform that has no state to save starts over."""
        checkpointer = None
        if task.is_resumable:
            key = training_key(model, task, generator)
            path = self.folder / "training" / f"{key[:32]}.safetensors"
            checkpointer = CheckpointFile(path, key, checkpoint_size(model), self.min_interval)
        return fit(model, task, generator, progress=progress, checkpointer=checkpointer)

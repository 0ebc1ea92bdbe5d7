"""The interface of an executor, and the default that runs everything in this process."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from ..boundary.search_boundary import BoundarySearch
from ..models.channel_statistics import activations
from ..training import TrainingTask, fit
from ..types import BoundaryResult, Features, Labels, Pixels, Progress, no_progress


class Executor(ABC):
    """Runs the expensive computations: trainings, boundary searches and activations.

    All executors give the same result for the same arguments, within the limits that
    docs/reliability.md states.
    """

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages for the user about how the computations went."""
        return ()

    @abstractmethod
    def search_boundary(
        self,
        model: nn.Module,
        pixels: Pixels,
        search: BoundarySearch,
        *,
        predictions: Labels | None = None,
        progress: Progress = no_progress,
    ) -> BoundaryResult:
        """See `BoundarySearch.run`."""

    def activations(
        self, model: nn.Module, pixels: Pixels, *, progress: Progress = no_progress
    ) -> tuple[Features, Labels]:
        """See `models.channel_statistics`. They are computed in this process and never saved."""
        return activations(model, pixels, progress=progress)

    @abstractmethod
    def fit(
        self,
        model: nn.Module,
        task: TrainingTask,
        generator: torch.Generator,
        *,
        progress: Progress = no_progress,
    ) -> list[float]:
        """See `training.fit`. Any executor leaves `generator` in the same state."""


class LocalExecutor(Executor):
    """Runs everything in this process and saves nothing."""

    def search_boundary(
        self,
        model: nn.Module,
        pixels: Pixels,
        search: BoundarySearch,
        *,
        predictions: Labels | None = None,
        progress: Progress = no_progress,
    ) -> BoundaryResult:
        return search.run(model, pixels, predictions=predictions, progress=progress)

    def fit(
        self,
        model: nn.Module,
        task: TrainingTask,
        generator: torch.Generator,
        *,
        progress: Progress = no_progress,
    ) -> list[float]:
        return fit(model, task, generator, progress=progress)


LOCAL = LocalExecutor()
"""The default executor."""

"""Who does the heavy things; by default this process, which keeps nothing of them."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from ..boundary.distances import Search
from ..models.activations import activations
from ..training import TrainingTask, fit
from ..types import BoundaryResult, Features, Labels, Pixels, Progress, silent


class Work(ABC):
    """Trains models, searches boundaries and looks into layers, for whoever needs that done.

    Whoever does it, the same arguments give the same result, up to what docs/reliability.md says.
    """

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines about how it was done that a person should know of."""
        return ()

    @abstractmethod
    def boundary(
        self,
        model: nn.Module,
        pixels: Pixels,
        search: Search,
        *,
        predictions: Labels | None = None,
        progress: Progress = silent,
    ) -> BoundaryResult:
        """See `boundary.distances.boundary`."""

    def activations(
        self, model: nn.Module, pixels: Pixels, *, progress: Progress = silent
    ) -> tuple[Features, Labels]:
        """See `models.activations`; done here, and again where the work is stopped."""
        return activations(model, pixels, progress=progress)

    @abstractmethod
    def fit(
        self,
        model: nn.Module,
        lesson: TrainingTask,
        generator: torch.Generator,
        *,
        progress: Progress = silent,
    ) -> list[float]:
        """See `training.fit`; `generator` is left behind its last draw, whoever draws."""


class Here(Work):
    """In this process; nothing is kept, so what is stopped begins anew."""

    def boundary(
        self,
        model: nn.Module,
        pixels: Pixels,
        search: Search,
        *,
        predictions: Labels | None = None,
        progress: Progress = silent,
    ) -> BoundaryResult:
        return search.run(model, pixels, predictions=predictions, progress=progress)

    def fit(
        self,
        model: nn.Module,
        lesson: TrainingTask,
        generator: torch.Generator,
        *,
        progress: Progress = silent,
    ) -> list[float]:
        return fit(model, lesson, generator, progress=progress)


HERE = Here()
"""The default."""

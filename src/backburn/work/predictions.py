"""Work that remembers what a model called the images, so that nobody has to ask it again."""

import torch
from torch import nn

from ..boundary.distances import Search
from ..training import Lesson
from ..types import BoundaryResult, Features, Labels, Pixels, Progress, silent
from .contract import Work


class KeepsPredictions(Work):
    """Hands everything to another `Work`; `predictions` are those of the last `activations`."""

    def __init__(self, work: Work):
        self._work = work
        self.predictions: Labels | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        return self._work.notes

    def boundary(
        self,
        model: nn.Module,
        pixels: Pixels,
        search: Search,
        *,
        predictions: Labels | None = None,
        progress: Progress = silent,
    ) -> BoundaryResult:
        return self._work.boundary(
            model, pixels, search, predictions=predictions, progress=progress
        )

    def activations(
        self, model: nn.Module, pixels: Pixels, *, progress: Progress = silent
    ) -> tuple[Features, Labels]:
        """See `Work.activations`; the predictions are remembered."""
        features, self.predictions = self._work.activations(model, pixels, progress=progress)
        return features, self.predictions

    def fit(
        self,
        model: nn.Module,
        lesson: Lesson,
        generator: torch.Generator,
        *,
        progress: Progress = silent,
    ) -> list[float]:
        return self._work.fit(model, lesson, generator, progress=progress)

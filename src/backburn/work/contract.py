"""Who does the two heavy things; by default this process, which keeps nothing of them."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from ..boundary.budget import Budget
from ..boundary.distances import boundary
from ..training import Lesson, fit
from ..types import BoundaryResult, Labels, Pixels, Progress, silent


class Work(ABC):
    """Trains models and searches boundaries, for whoever needs that done.

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
        *,
        budget: str | Budget = "default",
        batch_size: int = 256,
        directions: bool = False,
        features: bool = False,
        predictions: Labels | None = None,
        phase: str = "boundary",
        progress: Progress = silent,
    ) -> BoundaryResult:
        """See `boundary.distances.boundary`; the norm is L2."""

    @abstractmethod
    def fit(
        self,
        model: nn.Module,
        lesson: Lesson,
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
        *,
        budget: str | Budget = "default",
        batch_size: int = 256,
        directions: bool = False,
        features: bool = False,
        predictions: Labels | None = None,
        phase: str = "boundary",
        progress: Progress = silent,
    ) -> BoundaryResult:
        return boundary(
            model,
            pixels,
            budget=budget,
            batch_size=batch_size,
            directions=directions,
            features=features,
            predictions=predictions,
            phase=phase,
            progress=progress,
        )

    def fit(
        self,
        model: nn.Module,
        lesson: Lesson,
        generator: torch.Generator,
        *,
        progress: Progress = silent,
    ) -> list[float]:
        return fit(model, lesson, generator, progress=progress)


HERE = Here()
"""The default."""

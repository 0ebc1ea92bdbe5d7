"""Who does the two heavy things; by default this process, which keeps nothing of them."""

from abc import ABC, abstractmethod

import torch
from torch import nn

from ..boundary.budget import Budget
from ..boundary.distances import boundary
from ..training import BatchTransform, Objective, Training, fit
from ..types import BoundaryResult, Index, Labels, PerImage, Pixels, Progress, silent


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
        pixels: Pixels,
        labels: Labels,
        training: Training,
        generator: torch.Generator,
        *,
        rows: Index | None = None,
        weights: PerImage | None = None,
        batch_transform: BatchTransform | None = None,
        objective: Objective | None = None,
        phase: str = "train",
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
        pixels: Pixels,
        labels: Labels,
        training: Training,
        generator: torch.Generator,
        *,
        rows: Index | None = None,
        weights: PerImage | None = None,
        batch_transform: BatchTransform | None = None,
        objective: Objective | None = None,
        phase: str = "train",
        progress: Progress = silent,
    ) -> list[float]:
        return fit(
            model,
            pixels,
            labels,
            training,
            generator,
            rows=rows,
            weights=weights,
            batch_transform=batch_transform,
            objective=objective,
            phase=phase,
            progress=progress,
        )


HERE = Here()
"""The default."""

"""Work that goes on where it was stopped: a folder keeps what is done of it."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ..boundary.budget import Budget
from ..types import BoundaryResult, Labels, Pixels, Progress, silent
from .contract import Here
from .shards import boundary_in_shards


@dataclass(frozen=True, slots=True)
class Kept(Here):
    """In this process; `folder` keeps the shards of every boundary search.

    Nothing is taken from the folder that would not be made the same, so it may serve any work.
    """

    folder: Path

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
        return boundary_in_shards(
            model,
            pixels,
            self.folder / "boundary",
            budget=budget,
            batch_size=batch_size,
            directions=directions,
            features=features,
            predictions=predictions,
            phase=phase,
            progress=progress,
        )

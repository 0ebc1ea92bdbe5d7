"""The contract of a defence."""

from abc import ABC, abstractmethod
from pathlib import Path

import torch

from ..types import Case, Progress, Repaired, silent


class Defense(ABC):
    """A way to remove a backdoor. The fields of a subclass are its hyperparameters."""

    @abstractmethod
    def repair(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = silent,
        shards: Path | None = None,
    ) -> Repaired:
        """A repaired model and what was found; the case is left as it was.

        Args:
            shards: folder that keeps what is done of long searches, so that they can go on.
        """

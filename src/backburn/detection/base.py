"""The contract of a detector."""

from abc import ABC, abstractmethod

import torch

from ..types import Case, Evidence, Progress, silent


class Detector(ABC):
    """A way to tell poison from clean images. The fields of a subclass are its hyperparameters."""

    @abstractmethod
    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        """Score every image of the case; the case is left as it was."""

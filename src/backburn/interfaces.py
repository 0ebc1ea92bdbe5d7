"""The interfaces of detectors and defenses, and what a method is given."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from .results import Evidence, Repaired
from .types import Case, Progress, no_progress


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a method needs besides the model. A benchmark gives it exactly this.

    Args:
        training: the training set, perhaps poisoned (`poisoned`); only its clean part, which no
            defender has in practice (`clean`); or none of it (`none`: `case.images` is empty).
        holdout: size of a set of images with right labels, as a share of the training set.

    >>> str(Inputs("none", holdout=0.05))
    '5 % clean'
    """

    training: Literal["poisoned", "clean", "none"] = "poisoned"
    holdout: float = 0.0

    def __str__(self) -> str:
        names = {"poisoned": "training set", "clean": "clean part of the training set"}
        parts = [names[self.training]] if self.training != "none" else []
        parts += [f"{100 * self.holdout:.3g} % clean"] if self.holdout else []
        return " + ".join(parts) or "the model only"


class Detector(ABC):
    """A detector of poisoned images. The fields of a subclass are its hyperparameters."""

    inputs: ClassVar[Inputs] = Inputs()

    @abstractmethod
    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        """Score every image of the case; higher scores mean poison. The case is not changed.

        Args:
            case: the model, the training set and, if `inputs` asks for it, the holdout.
            generator: the only source of randomness.
            progress: called as work proceeds.
        Raises:
            InputError: the case lacks what `inputs` asks for.
        """


class Defense(ABC):
    """A defense that removes backdoors. The fields of a subclass are its hyperparameters."""

    inputs: ClassVar[Inputs] = Inputs()

    @abstractmethod
    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Repaired:
        """Return a repaired model. The case is not changed.

        Args:
            case: the model, the training set and, if `inputs` asks for it, the holdout.
            generator: the only source of randomness.
            progress: called as work proceeds.
        Raises:
            InputError: the case lacks what `inputs` asks for.
        """

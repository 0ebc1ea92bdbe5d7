"""The contracts of other people's methods and ours: detectors, defences, and what each is given."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from .types import Case, Evidence, Progress, Repaired, silent


@dataclass(frozen=True, slots=True)
class Given:
    """What a method is handed beside the model; a benchmark hands it exactly that.

    Args:
        training: the training set as it was found (`poisoned`), its clean part, which nobody has
            in practice (`clean`), or no image of it (`none`: `case.images` is empty).
        holdout: images with labels that are known to be right, as a share of the training set.
    """

    training: Literal["poisoned", "clean", "none"] = "poisoned"
    holdout: float = 0.0

    def __str__(self) -> str:
        known = {"poisoned": "training set", "clean": "clean part of the training set"}
        parts = [known[self.training]] if self.training != "none" else []
        parts += [f"{100 * self.holdout:.3g} % clean"] if self.holdout else []
        return " + ".join(parts) or "the model only"


class Detector(ABC):
    """A way to tell poison from clean images. The fields of a subclass are its hyperparameters."""

    given: ClassVar[Given] = Given()

    @abstractmethod
    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        """Score every image of the case, poison higher; the case is left as it was.

        Raises:
            InputError: a case without what `given` says.
        """


class Defense(ABC):
    """A way to remove a backdoor. The fields of a subclass are its hyperparameters."""

    given: ClassVar[Given] = Given()

    @abstractmethod
    def repair(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Repaired:
        """A repaired model; the case is left as it was.

        Raises:
            InputError: a case without what `given` says.
        """

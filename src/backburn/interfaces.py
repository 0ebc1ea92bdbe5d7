"""The interfaces of detectors, defenses and oracles, and what a method is given."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from .results import Evidence, Repaired, Scores
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


@dataclass(frozen=True, slots=True)
class OracleInputs(Inputs):
    """What an oracle needs besides the model: the test decides, too.

    >>> str(OracleInputs("none", holdout=0.05))
    '5 % clean + test images with triggers'
    """

    def __str__(self) -> str:
        return f"{Inputs.__str__(self)} + test images with triggers"


class Oracle(ABC):
    """A method that proposes models, of which the test picks one. It is not a `Defense`.

    No defender has test images with triggers. Oracles are rows to compare published figures with,
    and are not ranked. The benchmark evaluates the candidates, so not even an oracle sees a
    trigger. The fields of a subclass are its hyperparameters.
    """

    inputs: ClassVar[OracleInputs]

    @abstractmethod
    def candidates(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Iterator[nn.Module]:
        """Yield repaired models in evaluation mode. The case is not changed.

        Args:
            case: what a defense with the same inputs gets.
            generator: the only source of randomness.
            progress: called as work proceeds.
        Raises:
            InputError: the case lacks what `inputs` asks for.
        """

    @abstractmethod
    def prefers(self, given: Scores, best: Scores, new: Scores) -> bool:
        """Whether a candidate is better than the best so far, by their scores on the test images.

        Args:
            given: scores of the model of the case.
            best: scores of the best candidate so far; at first those of the model of the case.
            new: scores of the next candidate.
        """

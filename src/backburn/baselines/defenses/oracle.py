"""Oracles: methods whose result is chosen by its scores on the test images with triggers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ...interfaces import Inputs
from ...metrics import Scores
from ...types import Case, Progress


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
        self, case: Case, generator: torch.Generator, progress: Progress
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

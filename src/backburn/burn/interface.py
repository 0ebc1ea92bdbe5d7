"""The contract of BURN in its two versions: a defence that also says what it found."""

from abc import abstractmethod

import torch

from ..data.review import Review
from ..executor.interface import HERE, Work
from ..interfaces import Defense
from ..types import Case, Progress, Unlearned, silent


class Unlearning(Defense):
    """A defence that reaches a verdict and finds the poison before it repairs."""

    @property
    @abstractmethod
    def search_budget(self) -> str:
        """Effort of its boundary search, for whoever looks at more images as it does."""

    @abstractmethod
    def repair(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = silent,
        work: Work = HERE,
        review: Review | None = None,
    ) -> Unlearned:
        """A repaired model and what was found; the case is left as it was.

        Args:
            work: who searches and trains, and keeps what is done of it.
            review: what a person decided about suspects; it goes above what any phase finds.
        """

"""The interface that both versions of BURN share: a defense that also reports what it detects."""

from abc import abstractmethod

import torch

from ..data.review import Review
from ..executor.interface import LOCAL, Executor
from ..interfaces import Defense
from ..results import Unlearned
from ..types import Case, Progress, no_progress


class Unlearning(Defense):
    """A defense that reaches a verdict and identifies the poison before it repairs."""

    @property
    @abstractmethod
    def search_budget(self) -> str:
        """Budget of its boundary search, for others who search more images the same way."""

    @abstractmethod
    def repair(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = no_progress,
        executor: Executor = LOCAL,
        review: Review | None = None,
    ) -> Unlearned:
        """A repaired model and what was detected; the case is left as it was.

        Args:
            executor: runs the trainings and boundary searches.
            review: decisions of a person about suspects. They overrule what any phase finds.
        """

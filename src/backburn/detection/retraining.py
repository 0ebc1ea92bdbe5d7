"""Retraining: what does a model that never saw the suspects say of them?"""

import copy
from dataclasses import dataclass, field

import torch

from ..errors import InputError
from ..executor.interface import Work
from ..memory_mapped import rows_of
from ..models.inference import predict
from ..training import Training, TrainingTask
from ..training.adaptation import forget, freeze_before, lasting, suited
from ..types import Case, Flags, Logits, Progress


@dataclass(frozen=True)
class Retraining:
    """A model that is retrained without the suspects.

    The last layers forget and learn again; what the early ones see of a trigger means nothing to
    later ones that never met it.

    Args:
        reset: the last layers, with this share of all weights, are drawn anew and trained; those
            before them stay as they are. With a small share, poisoned images that the early layers
            carry to the label keep it; with a large one, too little can be learnt again.
        steps: of the training, at the least.
        training: settings.
    Source: ours. Related: FST (Min et al., arXiv 2310.01875) draws the last linear layer anew.
    """

    reset: float = 0.95
    steps: int = 120
    training: Training = field(
        default_factory=lambda: Training(epochs=1, learning_rate=0.05, warmup=0.1)
    )

    def __post_init__(self) -> None:
        if not 0 < self.reset <= 1 or self.steps < 1:
            raise InputError(
                f"retraining: reset={self.reset}, steps={self.steps}: give (0, 1] and 1 or more"
            )

    def run(
        self,
        case: Case,
        hidden: Flags,
        generator: torch.Generator,
        progress: Progress,
        work: Work,
    ) -> Logits:
        """Class log-probabilities of images that it was not trained on.

        Args:
            hidden: images that it does not see: the suspects, and those that the model does not
                call by their label, since poison that was not learnt would teach its trigger again.
        Returns:
            `(n, k)`; NaN for images that it was trained on.
        """
        rows = (~hidden).nonzero().flatten()
        model = copy.deepcopy(case.model).requires_grad_(True)
        freeze_before(model, forget(model, self.reset, generator))
        training = lasting(suited(self.training, case), len(rows), self.steps)
        images = case.images
        lesson = TrainingTask(images.pixels, images.labels, training, rows, phase="retraining")
        work.fit(model, lesson, generator, progress=progress)
        asked = hidden.nonzero().flatten()
        answers = predict(
            model, rows_of(images.pixels, asked), phase="retraining", progress=progress
        ).log_softmax(1)
        said = torch.full((len(images), answers.shape[1]), torch.nan)
        said[asked] = answers
        return said

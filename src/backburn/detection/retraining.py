"""The retraining test: what does a model that never saw the suspects call them?"""

import copy
from dataclasses import dataclass, field

import torch

from ..errors import InputError
from ..executor.interface import Executor
from ..memory_mapped import copy_rows
from ..models.inference import predict
from ..training import Training, TrainingTask
from ..training.adapt_settings import (
    adapt_augmentation,
    extend_to_steps,
    freeze_before,
    reset_last_layers,
)
from ..types import Case, Flags, Logits, Progress


@dataclass(frozen=True)
class Retraining:
    """How a model is retrained without the suspects.

    The last layers are reset and trained again. Features of a trigger in the frozen early layers
    mean nothing to later layers that never saw the trigger.

    Args:
        reset: share of all weights, in (0, 1], whose layers are reset and trained, counted from the
            output. The layers before them are frozen. With a small share the early layers may still
            carry poisoned images to their label; with a large one, too little can be relearned.
        steps: fewest steps of the training.
        training: its settings.
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
        executor: Executor,
    ) -> Logits:
        """Retrain the model without some images and classify these.

        Args:
            hidden: images to leave out: the suspects, and images that the model does not call by
                their label. Poison that was not learned would teach its trigger again.
            executor: trains the model.
        Returns:
            Class log-probabilities `(n, k)`; NaN for images that it was trained on.
        """
        rows = (~hidden).nonzero().flatten()
        model = copy.deepcopy(case.model).requires_grad_(True)
        freeze_before(model, reset_last_layers(model, self.reset, generator))
        training = extend_to_steps(adapt_augmentation(self.training, case), len(rows), self.steps)
        images = case.images
        task = TrainingTask(images.pixels, images.labels, training, rows, phase="retraining")
        executor.fit(model, task, generator, progress=progress)
        hidden_rows = hidden.nonzero().flatten()
        predictions = predict(
            model, copy_rows(images.pixels, hidden_rows), phase="retraining", progress=progress
        ).log_softmax(1)
        log_probs = torch.full((len(images), predictions.shape[1]), torch.nan)
        log_probs[hidden_rows] = predictions
        return log_probs

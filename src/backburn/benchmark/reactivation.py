"""The retuning attack: does a repaired model learn its backdoor again from a few images?"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..baselines.input_checks import trainable_copy
from ..data.sampling import stratified_sample
from ..errors import InputError
from ..metrics import evaluate_model
from ..results import Scores
from ..training import Training, TrainingTask, fit
from ..types import EvaluationSet, LabeledImages, Progress, no_progress


@dataclass(frozen=True, slots=True)
class RetunedScores:
    """Scores of a repaired model after fine-tuning on so many triggered images."""

    images: int
    scores: Scores


@dataclass(frozen=True, slots=True)
class Reactivated:
    """The curve of one repaired model.

    Attributes:
        clean: number of clean images in each fine-tuning.
        scored: number of triggered images that ASR and RA are measured on.
        repaired: scores of the repaired model before any fine-tuning, on the same images.
        curve: scores after each fine-tuning, by number of triggered images.
    """

    clean: int
    scored: int
    repaired: Scores
    curve: tuple[RetunedScores, ...]


def retuning_settings() -> Training:
    """Five epochs of SGD without weight decay, as in the paper's public code.

    The fit loop lowers the learning rate along a cosine. The peak of 0.02 makes the mean rate that
    of the paper, 0.01.
    """
    return Training(epochs=5, batch_size=128, learning_rate=0.02, weight_decay=0.0, warmup=0.0)


@dataclass(frozen=True)
class Reactivation:
    """Fine-tuning of repaired models on clean images and a few triggered ones.

    A model that has forgotten its backdoor learns it no faster than a model that never had it. So
    the result is compared with that of the retrained model (`retrain`), the control.

    Args:
        images: numbers of triggered images to fine-tune with, each from the repaired model. 0 is a
            fine-tuning on clean images alone. If empty, repaired models are not tested.
        clean: number of clean training images in each fine-tuning, rounded class by class; all of
            them if there are no more. The default is the paper's 2 % of CIFAR-10.
        training: settings of the fine-tuning.

    Raises:
        InputError: a number of images is negative or given twice, or `clean` is below 2.

    Source: the retuning attack of Min et al., Uncovering, Explaining, and Mitigating the
        Superficial Safety of Backdoor Defense, NeurIPS 2024, arXiv 2410.09838, with the settings of
        its public code. Departure: triggered images are test images, which no defense has seen, not
        poisoned training images; those are scored that are not fine-tuned on. Departure: they are
        added to the clean images and do not replace any. Departure: triggered images are augmented
        like clean ones. Departure: the learning rate falls, see `retuning_settings`.

    >>> Reactivation(images=[5, 100]).most
    100
    """

    images: list[int] = field(default_factory=list)
    clean: int = 1000
    training: Training = field(default_factory=retuning_settings)

    def __post_init__(self) -> None:
        if min(self.images, default=0) < 0 or len(set(self.images)) < len(self.images):
            raise InputError(
                f"reactivation.images is {self.images}: give different numbers, 0 or more"
            )
        if self.clean < 2:
            raise InputError(f"reactivation.clean is {self.clean}: give 2 or more")

    @property
    def most(self) -> int:
        """The largest number of triggered images; 0 if there is none."""
        return max(self.images, default=0)

    def test(
        self,
        model: nn.Module,
        clean: LabeledImages,
        evaluation_set: EvaluationSet,
        generator: torch.Generator,
        progress: Progress = no_progress,
    ) -> Reactivated:
        """Fine-tune copies of `model`, and measure how often the trigger works again.

        With the same seed, all models of a victim get the same images in the same order.

        Args:
            model: the repaired model; it is not changed.
            clean: clean training images.
            evaluation_set: triggered images are drawn from it, and the others are scored.
            generator: draws the images, and a seed that all fine-tunings share.
        Raises:
            InputError: no triggered image is left to be scored.
        """
        rows, order = self._draw(clean, evaluation_set, generator)
        seed = int(torch.randint(2**31, (), generator=generator))
        tuned_on, scored = order[: self.most], order[self.most :]
        left = EvaluationSet(
            evaluation_set.clean,
            evaluation_set.triggered.take(scored),
            evaluation_set.wanted[scored],
        )
        device = clean.pixels.device
        triggered = evaluation_set.triggered.take(tuned_on).on(device).pixels
        wanted = evaluation_set.wanted[tuned_on]
        clean = clean.take(rows)
        curve = []
        for count in self.images:
            tuned = trainable_copy(model)
            task = TrainingTask(
                torch.cat([clean.pixels, triggered[:count]]),
                torch.cat([clean.labels, wanted[:count]]),
                self.training,
                phase="retuning",
            )
            fit(tuned, task, torch.Generator().manual_seed(seed), progress=progress)
            curve.append(RetunedScores(count, evaluate_model(tuned, left, progress)))
        repaired = evaluate_model(model, left, progress)
        return Reactivated(len(clean), len(scored), repaired, tuple(curve))

    def _draw(
        self, clean: LabeledImages, evaluation_set: EvaluationSet, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Rows `(m,)` of the clean images, and an order `(n,)` of all triggered ones."""
        count = len(evaluation_set.triggered)
        if count <= self.most:
            raise InputError(
                f"reactivation.images goes up to {self.most}, but there are {count} triggered test "
                "images: leave some to be scored"
            )
        rows = stratified_sample(clean.labels, self.clean, generator)
        return rows, torch.randperm(count, generator=generator)

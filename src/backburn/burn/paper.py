"""BURN as in the paper, for comparison with the version of this package."""

from dataclasses import dataclass, field
from math import nan

import torch
from torch import nn

from ..boundary.budget import get_budget
from ..boundary.search_boundary import BoundarySearch
from ..data.review import Review, check_review
from ..detection.activation_statistics import anomaly_index
from ..errors import InputError
from ..executor.interface import LOCAL, Executor
from ..metrics import share_of_true
from ..models.inference import predict
from ..models.input_check import check_fit
from ..results import Evidence, Phase, Suspects, Unlearned, Verdict
from ..training import Training
from ..training.adapt_settings import adapt_augmentation, extend_to_steps
from ..types import BoundaryResult, Case, Flags, Labels, PerImage, Progress, no_progress
from .fine_tuning import FineTuner
from .history import any_changed, count_changes, timed_phase
from .interface import Unlearning
from .review import apply_review, exclude_unreviewed

MIN_STEPS = 120
"""Fewest steps of a fine-tuning, however few images there are."""


@dataclass(frozen=True)
class PaperBURN(Unlearning):
    """BURN as published: abnormal boundary distances are poison.

    Restored labels are those behind the boundary, and refinement follows the sanitized model alone.
    The model is taken to be backdoored, as in the paper. There is no verdict of a clean case.

    Args:
        budget: budget of the boundary search: `screen`, `fast`, `default` or `exact`.
        abnormal: a distance is abnormal from so many robust standard deviations above the median of
            all images; set on development victims (docs/method.md).
        rounds: most rounds of refinement and purification.
        training: settings of every fine-tuning, which is extended to 120 steps.
    Source: Su et al., BURN, arXiv 2507.10491, as far as its abstract says. Departures: the abstract
    does not define abnormal distances, the rounds or the fine-tuning. Ours are used.
    """

    budget: str = "fast"
    abnormal: float = 2.0
    rounds: int = 3
    training: Training = field(
        default_factory=lambda: Training(epochs=1, learning_rate=0.01, warmup=0.1)
    )

    def __post_init__(self) -> None:
        get_budget(self.budget)
        if self.rounds < 1 or not self.abnormal > 0:
            raise InputError(
                f"rounds={self.rounds}, abnormal={self.abnormal}: give 1 or more, and above 0"
            )

    @property
    def search_budget(self) -> str:
        return self.budget

    def repair(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = no_progress,
        executor: Executor = LOCAL,
        review: Review | None = None,
    ) -> Unlearned:
        """Decouple, then refine and purify until the suspects no longer change.

        Returns:
            The case's own model if a review leaves no suspects.
        Raises:
            InputError: the model or the review does not fit the images.
        """
        check_fit(case.model, case.images)
        if review is not None:
            check_review(review, case.images)
        history: list[Phase] = []
        with timed_phase("boundary", history) as figures:
            pixels, search = case.images.pixels, BoundarySearch(budget=self.budget)
            predictions = predict(case.model, pixels).argmax(1)
            boundary = executor.search_boundary(
                case.model, pixels, search, predictions=predictions, progress=progress
            )
            agreed = predictions == case.images.labels
            z_scores = robust_z_scores(boundary, agreed)
            abnormal = z_scores > self.abnormal
            suspects = make_suspects(case, abnormal, boundary.crossed_label)
            suspects = apply_review(suspects, case.images, review)
            figures.update(suspects=len(suspects))
        model = case.model
        if len(suspects) or not review:
            excluded = exclude_unreviewed(~agreed, review)
            training = adapt_augmentation(self.training, case)
            training = extend_to_steps(training, len(case.images), MIN_STEPS)
            tuner = FineTuner(
                case.images, case.holdout, training, excluded, generator, progress, executor
            )
            model, suspects = self._unlearn(case, agreed, suspects, tuner, history, review)
        targets = (_most_common_label(suspects),) if len(suspects) else ()
        return Unlearned(
            model=model,
            history=tuple(history),
            suspects=suspects,
            evidence=Evidence(torch.sigmoid(z_scores - self.abnormal), abnormal),
            verdict=Verdict("backdoored", targets, nan),
            boundary=boundary,
        )

    def _unlearn(
        self,
        case: Case,
        agreed: Flags,
        suspects: Suspects,
        tuner: FineTuner,
        history: list[Phase],
        review: Review | None,
    ) -> tuple[nn.Module, Suspects]:
        images, progress = case.images, tuner.progress
        with timed_phase("decoupling", history):
            model = tuner.fine_tune(case.model, suspects, 0.0, "decoupling")
        for _ in range(self.rounds):
            with timed_phase("refinement", history) as figures:
                logits = predict(model, images.pixels, phase="refinement", progress=progress)
                predictions = logits.argmax(1)
                differs = agreed & (predictions != images.labels)
                refined = make_suspects(case, differs, predictions)
                refined = apply_review(refined, images, review)
                changes = count_changes(suspects, refined)
                figures.update(changes, discrepancy=share_of_true(differs[agreed]))
            suspects = refined
            if not any_changed(changes):
                break
            with timed_phase("purification", history):
                model = tuner.fine_tune(model, suspects, 0.0, "purification")
        return model, suspects


def robust_z_scores(boundary: BoundaryResult, agreed: Flags) -> PerImage:
    """Robust standard deviations `(n,)` of each distance above the median distance.

    Images that the model disagrees on, or without a boundary point, get the smallest score. All
    scores are 0 if there are no other images.
    """
    usable = agreed & boundary.found
    if not bool(usable.any()):
        return torch.zeros(len(boundary))
    usable_scores = anomaly_index(boundary.distance[usable])
    scores = torch.full((len(boundary),), float(usable_scores.min()))
    scores[usable] = usable_scores
    return scores


def make_suspects(case: Case, flagged: Flags, labels: Labels) -> Suspects:
    """The flagged images, with their restored labels at confidence 1.

    Args:
        labels: `(n,)`, the restored label of every image.
    """
    index = flagged.nonzero().flatten()
    return Suspects(index, case.images.labels[index], labels[index], torch.ones(len(index)))


def _most_common_label(suspects: Suspects) -> int:
    return int(suspects.given_label.mode().values)

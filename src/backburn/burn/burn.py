"""BURN: backdoor unlearning via adversarial boundary analysis. Reads like docs/method.md."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from ..data.review import Review, check_review
from ..detection.detector import PoisonDetector
from ..detection.records import DetectionResult
from ..errors import InputError
from ..executor.interface import LOCAL, Executor
from ..fit import FitCheck, FitResult
from ..fit.fine_tuned_accuracy import resolve_low_accuracy
from ..models.inference import accuracy
from ..models.input_check import check_fit
from ..results import Audit, Phase, Suspects, Unlearned
from ..training import Training
from ..training.adapt_settings import adapt_augmentation, adapt_shift, extend_to_steps
from ..types import Case, Flags, Index, Labels, Progress, no_progress
from .apply_trigger import TriggerStamp
from .decoupling import Decoupling
from .excluded_images import excluded_images
from .fine_tuning import FineTuner
from .history import any_changed, count_changes, timed_phase
from .interface import Unlearning
from .purification import Purification
from .refinement import Refinement, refine
from .restoration import Restoration, RestoredSuspects, restore
from .review import apply_review, apply_review_to_detection, exclude_unreviewed

SAMPLE_SIZE = 1000
"""Most images on which a fine-tuned base is compared with the case's model."""
MAX_HEAD_SHARE = 0.1
"""Trainable weights are taken to be a head if their share of all weights is below this."""
SECOND_PASS_PROBES = 1
"""Images per class whose boundary the second pass searches. It needs none, but the least is 1."""


@dataclass(frozen=True)
class BURN(Unlearning):
    """Find the poison, restore its labels, and unlearn the backdoor.

    Args:
        fit: what the model must achieve on its images before it may be called clean.
        detector: finds the poison.
        restoration: restores its labels.
        decoupling: the first fine-tuning.
        refinement: updates the suspects after each fine-tuning.
        purification: the fine-tunings between two refinements.
        training: settings of every fine-tuning.
        steps: fewest steps of a fine-tuning, however few images there are.
        base_training: settings if the model's base is available, which fine-tuning then starts
            from.
        base_steps: fewest steps of a fine-tuning from the base.
        base_rounds: most fine-tunings from the base, one after another.
        behind: share of images. Fine-tuning from the base goes on while the model gets more of the
            images wrong that the case's model gets right.
        head_learning_rate: replaces that of `base_training` if only a head was fine-tuned.
    Source: Su et al., arXiv 2507.10491. Departures are listed with each phase.
    """

    fit: FitCheck = field(default_factory=FitCheck)
    detector: PoisonDetector = field(default_factory=PoisonDetector)
    restoration: Restoration = field(default_factory=Restoration)
    decoupling: Decoupling = field(default_factory=Decoupling)
    refinement: Refinement = field(default_factory=Refinement)
    purification: Purification = field(default_factory=Purification)
    training: Training = field(
        default_factory=lambda: Training(epochs=2, learning_rate=0.02, warmup=0.1)
    )
    steps: int = 300
    base_training: Training = field(
        default_factory=lambda: Training(epochs=2, learning_rate=3e-4, warmup=0.1, optimizer="adam")
    )
    base_steps: int = 150
    base_rounds: int = 3
    behind: float = 0.02
    head_learning_rate: float = 5e-3

    def __post_init__(self) -> None:
        if min(self.steps, self.base_steps, self.base_rounds) < 1:
            raise InputError(
                f"steps={self.steps}, base_steps={self.base_steps}, "
                f"base_rounds={self.base_rounds}: give 1 or more"
            )
        if not 0 < self.head_learning_rate < math.inf or not 0 <= self.behind < 1:
            raise InputError(
                f"head_learning_rate={self.head_learning_rate}, behind={self.behind}: give more "
                "than 0, and a fraction"
            )

    @property
    def search_budget(self) -> str:
        return self.detector.budget

    def audit(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = no_progress,
        executor: Executor = LOCAL,
        fit: FitResult | None = None,
        *,
        every_suspect: bool = True,
    ) -> Audit:
        """The verdict and the suspects; the case is left as it was.

        Args:
            executor: runs the trainings and boundary searches.
            fit: how well the model fits the images, if already measured.
            every_suspect: search the boundary of every suspect. Not needed if they are searched
                later for their pictures.
        Raises:
            InputError: the model does not fit the images.
        """
        detection = self._detect(case, fit, generator, progress, executor, every_suspect)
        tuner = self._make_tuner(case, detection, generator, progress, executor)
        restored = restore(self.restoration, case, detection, tuner)
        return Audit(
            suspects=restored.suspects,
            evidence=detection.evidence,
            verdict=detection.verdict,
            boundary=detection.boundary,
            statistics=detection.statistics,
            second_opinion=detection.second_opinion,
        )

    def repair(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = no_progress,
        executor: Executor = LOCAL,
        review: Review | None = None,
        fit: FitResult | None = None,
    ) -> Unlearned:
        """Audit the case, and repair a copy of its model if it is backdoored.

        Args:
            executor, fit: see `audit`.
            review: decisions of a person about suspects. Verdict and evidence stay those of the
                detector. Accepted images are unlearned whatever the verdict is.
        Returns:
            The case's own model if there are no suspects.
        Raises:
            InputError: the model or the review does not fit the images.
        """
        if review is not None:
            check_review(review, case.images)
        history: list[Phase] = []
        with timed_phase("detection", history) as figures:
            detection = self._detect(case, fit, generator, progress, executor, every_suspect=False)
            figures.update(p_value=detection.verdict.p_value)
        reviewed = apply_review_to_detection(detection, review)
        tuner = self._make_tuner(case, reviewed, generator, progress, executor, review)
        run = _Repair(case, reviewed, tuner, history, review)
        with timed_phase("restoration", history) as figures:
            restored = run.apply_review(restore(self.restoration, case, reviewed, tuner))
            figures.update(suspects=len(restored.suspects))
        model, suspects, predictions = case.model, restored.suspects, None
        if len(suspects):
            model, suspects = self._unlearn(run, restored)
            if run.is_backdoored:
                model, suspects, predictions = self._second_pass(run, model, suspects)
        return Unlearned(
            model=model,
            history=tuple(history),
            suspects=suspects,
            evidence=detection.evidence,
            verdict=detection.verdict,
            boundary=detection.boundary,
            statistics=detection.statistics,
            second_opinion=detection.second_opinion,
            predictions=(detection.predictions, predictions),
        )

    def _detect(
        self,
        case: Case,
        fit: FitResult | None,
        generator: torch.Generator,
        progress: Progress,
        executor: Executor,
        every_suspect: bool,
    ) -> DetectionResult:
        """Run the detector. The verdict is clean only if the model fits the images."""
        check_fit(case.model, case.images)
        fit = fit or self.fit.measure(case.model, case.images)
        detection = self.detector.analyze(
            case,
            generator,
            progress,
            executor,
            abstain_reason=fit.reason,
            every_suspect=every_suspect,
        )
        verdict = resolve_low_accuracy(detection.verdict, fit, self.fit, case, progress, executor)
        return replace(detection, verdict=verdict)

    def _unlearn(self, run: "_Repair", restored: RestoredSuspects) -> tuple[nn.Module, Suspects]:
        """Decouple, then refine and purify until the suspects no longer change."""
        case, tuner, confident = run.case, run.tuner, self.purification.confident
        stamp = self.decoupling.stamp(restored, tuner.generator)
        with timed_phase("decoupling", run.history):
            start, suspects = case.base or case.model, restored.suspects
            model = tuner.fine_tune(start, suspects, confident, "decoupling", stamp)
            if case.base is not None:
                model = self._catch_up(run, model, suspects, stamp)
        if not run.is_backdoored:
            return model, suspects  # a person accepted them, and no other image is suspected
        for number in range(1, self.refinement.rounds + 1):
            with timed_phase("refinement", run.history) as figures:
                refined = refine(self.refinement, case, run.detection, model, restored, tuner)
                refined = run.apply_review(refined)
                changes = count_changes(restored.suspects, refined.suspects)
                figures.update(changes, discrepancy=refined.discrepancy)
            restored = refined
            if number == self.refinement.rounds or not any_changed(changes):
                break
            with timed_phase("purification", run.history):
                model = self.purification.purify(tuner, model, restored.suspects, stamp)
        return model, restored.suspects

    def _catch_up(
        self, run: "_Repair", model: nn.Module, suspects: Suspects, stamp: TriggerStamp | None
    ) -> nn.Module:
        """Fine-tune until the model gets the other images right, as the case's model does.

        It isn't known how long that one was fine-tuned: longer if its base was trained on images of
        another kind.
        """
        others = run.detection.agreed.clone()
        others[suspects.index] = False
        images = run.case.images.take(others.nonzero().flatten()).sample(SAMPLE_SIZE)
        confident = self.purification.confident
        for _ in range(self.base_rounds - 1):
            if accuracy(model, images) > 1 - self.behind:
                break
            model = run.tuner.fine_tune(model, suspects, confident, "decoupling", stamp)
        return model

    def _second_pass(
        self, run: "_Repair", model: nn.Module, suspects: Suspects
    ) -> tuple[nn.Module, Suspects, Labels | None]:
        """Audit the repaired model on the other images, and unlearn what is found there too.

        Nothing is retrained for it: a single pass shows what transfers.

        Returns:
            The model, all suspects, and the model's class for each image, -1 for suspects. The
            classes are None if the model was fine-tuned again.
        """
        case, tuner = run.case, run.tuner
        detector = replace(self.detector, probes=SECOND_PASS_PROBES)
        with timed_phase("second look", run.history) as figures:
            remaining = torch.ones(len(case.images), dtype=torch.bool)
            remaining[suspects.index] = False
            rows = remaining.nonzero().flatten()
            rest = replace(case, model=model, images=case.images.take(rows))
            embeddings = run.detection.embeddings
            detection = detector.analyze(
                rest,
                tuner.generator,
                tuner.progress,
                tuner.executor,
                retrain=False,
                further=True,
                every_suspect=False,
                embeddings=None if embeddings is None else embeddings[rows],
            )
            verdict = detection.verdict
            figures.update(p_value=verdict.p_value, targets=len(verdict.convicted))
            if not detection.backdoors:
                return model, suspects, _scatter(detection.predictions, remaining)
            rest_tuner = replace(tuner, images=rest.images)
            restored = restore(self.restoration, rest, detection, rest_tuner)
            new = replace(restored.suspects, index=rows[restored.suspects.index])
            merged = apply_review(merge_suspects(suspects, new), case.images, run.review)
            figures.update(suspects=len(merged), joined=len(merged) - len(suspects))
        stamp = self.decoupling.stamp(restored, tuner.generator)
        with timed_phase("purification", run.history):
            model = self.purification.purify(tuner, model, merged, stamp)
        return model, merged, None

    def _training_settings(self, case: Case) -> tuple[Training, int]:
        """Settings of a fine-tuning, and its fewest steps."""
        if case.base is None:
            return self.training, self.steps
        training = self.base_training
        if _trains_head_only(case.base):
            training = replace(training, learning_rate=self.head_learning_rate)
        return training, self.base_steps

    def _make_tuner(
        self,
        case: Case,
        detection: DetectionResult,
        generator: torch.Generator,
        progress: Progress,
        executor: Executor,
        review: Review | None = None,
    ) -> FineTuner:
        """The fine-tuner of all phases."""
        training, steps = self._training_settings(case)
        if bool(detection.evidence.flagged.any()):  # otherwise nothing will be trained
            training = adapt_augmentation(training, case, detection.predictions)
            if case.base is None:  # a base is trained anew on few images, and shifts help it
                training = adapt_shift(training, case)
        return FineTuner(
            images=case.images,
            holdout=case.holdout,
            training=extend_to_steps(training, len(case.images), steps),
            excluded=exclude_unreviewed(excluded_images(case, detection), review),
            generator=generator,
            progress=progress,
            executor=executor,
            train_all=case.base is None,
        )


@dataclass(frozen=True, slots=True)
class _Repair:
    """What all phases of one repair share."""

    case: Case
    detection: DetectionResult
    tuner: FineTuner
    history: list[Phase]
    review: Review | None

    @property
    def is_backdoored(self) -> bool:
        return self.detection.verdict.state == "backdoored"

    def apply_review(self, restored: RestoredSuspects) -> RestoredSuspects:
        suspects = apply_review(restored.suspects, self.case.images, self.review)
        return replace(restored, suspects=suspects)


def _trains_head_only(network: nn.Module) -> bool:
    """Whether so few weights require a gradient that they must be those of a head."""
    trainable = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return trainable < MAX_HEAD_SHARE * sum(p.numel() for p in network.parameters())


def _scatter(predictions: Index | None, rows: Flags) -> Labels | None:
    """Predictions of the flagged rows as those of all rows, -1 elsewhere."""
    if predictions is None:
        return None
    return torch.full_like(rows, -1, dtype=torch.long).masked_scatter(rows, predictions)


def merge_suspects(first: Suspects, second: Suspects) -> Suspects:
    """The suspects of both, in the order of their rows."""
    index = torch.cat([first.index, second.index])
    order = index.argsort()
    return Suspects(
        index[order],
        torch.cat([first.given_label, second.given_label])[order],
        torch.cat([first.restored_label, second.restored_label])[order],
        torch.cat([first.confidence, second.confidence])[order],
    )

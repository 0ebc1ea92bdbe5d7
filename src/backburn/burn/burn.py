"""BURN: backdoor unlearning via adversarial boundary analysis. Reads like docs/method.md."""

import math
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from ..data.review import Review, check_review
from ..detection.detector import PoisonDetector
from ..detection.records import Findings
from ..errors import InputError
from ..executor.interface import HERE, Work
from ..fit import Fit, FitCheck
from ..fit.attainable_accuracy import earned
from ..models.inference import accuracy
from ..models.input_check import check_fit
from ..training import Training
from ..training.adaptation import lasting, suited
from ..types import Audit, Case, Flags, Index, Labels, Phase, Progress, Suspects, Unlearned, silent
from .apply_trigger import StampTrigger
from .decoupling import Decoupling
from .excluded_images import doubtful
from .fine_tuning import Workbench
from .history import changes, timed
from .interface import Unlearning
from .purification import Purification
from .refinement import Refinement, refine
from .restoration import Restoration, Restored, restore
from .review import heard, judged, trusted

SAMPLE = 1000
"""Images that tell whether a fine-tuned model has caught up, at the most."""
HEAD = 0.1
"""Share of a network's weights that its head has, at the most."""
FEWEST_PROBES = 1
"""Images of each class whose boundary is searched in the second look, which needs none."""


@dataclass(frozen=True)
class BURN(Unlearning):
    """Find poison by its boundary, restore its labels, and unlearn what it taught.

    Args:
        fit: what a model has to do on its images before it is called clean.
        detector: how poison is found.
        restoration: how its labels are.
        decoupling: the first fine-tuning.
        refinement: looks at the suspects that follow.
        purification: the fine-tunings between these.
        training: of every fine-tuning.
        steps: of these, at the least, however few images there are.
        base_training: the same of a model whose base is at hand, which it begins from.
        base_steps: the same of these.
        base_rounds: such fine-tunings at the most, one after another.
        behind: share of the images that the given model agrees on; another follows while the one
            before calls more of them otherwise.
        head_learning_rate: in place of theirs, where the head alone was fine-tuned.
    Source: Su et al., arXiv 2507.10491. Departures are named where each phase is.
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
        progress: Progress = silent,
        work: Work = HERE,
        fit: Fit | None = None,
        *,
        every_suspect: bool = True,
    ) -> Audit:
        """Verdict and suspects; the case is left as it was.

        Args:
            work: who searches and trains, and keeps what is done of it.
            fit: of the model and the images, where it was measured before.
            every_suspect: search the boundary of every suspect; not needed where pictures of them
                are drawn, which takes a search, too.
        Raises:
            InputError: a model that does not fit the images.
        """
        found = self._found(case, fit, generator, progress, work, every_suspect)
        bench = self._bench(case, found, generator, progress, work)
        restored = restore(self.restoration, case, found, bench)
        known = restored.suspects, found.evidence, found.verdict, found.boundary
        return Audit(*known, found.statistics, found.second_opinion)

    def repair(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = silent,
        work: Work = HERE,
        review: Review | None = None,
        fit: Fit | None = None,
    ) -> Unlearned:
        """Audit the case, and where it is backdoored, repair a copy of its model.

        Args:
            work, fit: see `audit`.
            review: what a person decided about suspects. Verdict and evidence are the detector's
                all the same; accepted images are unlearned whatever the verdict is.
        Returns:
            The case's own model where there are no suspects.
        Raises:
            InputError: a model or a review that does not fit the images.
        """
        if review is not None:
            check_review(review, case.images)
        diary: list[Phase] = []
        with timed("detection", diary) as figures:
            found = self._found(case, fit, generator, progress, work, every_suspect=False)
            figures.update(p_value=found.verdict.p_value)
        known = heard(found, review)
        bench = self._bench(case, known, generator, progress, work, review)
        with timed("restoration", diary) as figures:
            restored = restore(self.restoration, case, known, bench)
            restored = reviewed(restored, case, review)
            figures.update(suspects=len(restored.suspects))
        model, suspects, after = case.model, restored.suspects, None
        if len(suspects):
            model, suspects = self._unlearn(case, known, restored, bench, diary, review)
            if found.verdict.state == "backdoored":
                given = (case, known, model, suspects, bench, diary, review)
                model, suspects, after = self._again(*given)
        return Unlearned(
            model=model,
            history=tuple(diary),
            suspects=suspects,
            evidence=found.evidence,
            verdict=found.verdict,
            boundary=found.boundary,
            statistics=found.statistics,
            second_opinion=found.second_opinion,
            predictions=(found.predictions, after),
        )

    def _found(
        self,
        case: Case,
        fit: Fit | None,
        generator: torch.Generator,
        progress: Progress,
        work: Work,
        every_suspect: bool = True,
    ) -> Findings:
        """What the detector finds; clean only where the model fits the images."""
        check_fit(case.model, case.images)
        fit = fit or self.fit.measure(case.model, case.images)
        given = (case, generator, progress, work)
        found = self.detector.study(*given, doubt=fit.reason, every_suspect=every_suspect)
        verdict = earned(found.verdict, fit, self.fit, case, progress, work)
        return replace(found, verdict=verdict)

    def _unlearn(
        self,
        case: Case,
        found: Findings,
        restored: Restored,
        bench: Workbench,
        diary: list[Phase],
        review: Review | None,
    ) -> tuple[nn.Module, Suspects]:
        confident, rounds = self.purification.confident, self.refinement.rounds
        stamp = self.decoupling.stamp(restored, bench.generator)
        with timed("decoupling", diary):
            model = bench.fine_tune(
                case.base or case.model, restored.suspects, confident, "decoupling", stamp
            )
            if case.base is not None:
                model = self._caught_up(case, found, model, restored.suspects, bench, stamp)
        if found.verdict.state != "backdoored":
            return model, restored.suspects  # a person's, and nobody else accuses anything
        for number in range(1, rounds + 1):
            with timed("refinement", diary) as figures:
                look = (case, found, model, restored, bench)
                refined = reviewed(refine(self.refinement, *look), case, review)
                changed = changes(restored.suspects, refined.suspects)
                figures.update(changed, discrepancy=refined.discrepancy)
            restored = refined
            if number == rounds or not changed["joined"] + changed["left"] + changed["relabeled"]:
                break
            with timed("purification", diary):
                model = bench.fine_tune(model, restored.suspects, confident, "purification", stamp)
        return model, restored.suspects

    def _caught_up(
        self,
        case: Case,
        found: Findings,
        model: nn.Module,
        suspects: Suspects,
        bench: Workbench,
        stamp: StampTrigger | None,
    ) -> nn.Module:
        """The model fine-tuned on, until it knows the other images as well as the given one does.

        Nobody tells how long a model was fine-tuned. Where its base knew images of another world,
        that was longer.
        """
        others = found.agreed.clone()
        others[suspects.index] = False
        images = case.images.take(others.nonzero().flatten()).sample(SAMPLE)
        for _ in range(self.base_rounds - 1):
            if accuracy(model, images) > 1 - self.behind:
                break
            confident = self.purification.confident
            model = bench.fine_tune(model, suspects, confident, "decoupling", stamp)
        return model

    def _again(
        self,
        case: Case,
        found: Findings,
        model: nn.Module,
        suspects: Suspects,
        bench: Workbench,
        diary: list[Phase],
        review: Review | None,
    ) -> tuple[nn.Module, Suspects, Labels | None]:
        """The repaired model is audited on what is left; what is found then is unlearnt, too.

        Nothing is retrained for it: what a trigger transfers is seen in one pass.

        Returns:
            Also what the model that is returned calls each image, -1 of the suspects; None where
            it was not asked.
        """
        detector = replace(self.detector, probes=FEWEST_PROBES)
        with timed("second look", diary) as figures:
            left = torch.ones(len(case.images), dtype=torch.bool)
            left[suspects.index] = False
            rows = left.nonzero().flatten()
            rest = replace(case, model=model, images=case.images.take(rows))
            given = (rest, bench.generator, bench.progress, bench.work)
            seen = None if found.embeddings is None else found.embeddings[rows]
            more = detector.study(*given, retrain=False, every_suspect=False, embeddings=seen)
            figures.update(p_value=more.verdict.p_value, targets=len(more.verdict.convicted))
            if not more.found:
                return model, suspects, _scattered(more.predictions, left)
            restored = restore(self.restoration, rest, more, replace(bench, images=rest.images))
            joined = replace(restored.suspects, index=rows[restored.suspects.index])
            both = judged(together(suspects, joined), case.images, review)
            figures.update(suspects=len(both), joined=len(both) - len(suspects))
        stamp = self.decoupling.stamp(restored, bench.generator)
        with timed("purification", diary):
            model = bench.fine_tune(model, both, self.purification.confident, "purification", stamp)
        return model, both, None

    def _training(self, case: Case) -> tuple[Training, int]:
        """How a model is fine-tuned, and for how many steps at the least."""
        if case.base is None:
            return self.training, self.steps
        training = self.base_training
        if _is_head(case.base):
            training = replace(training, learning_rate=self.head_learning_rate)
        return training, self.base_steps

    def _bench(
        self,
        case: Case,
        found: Findings,
        generator: torch.Generator,
        progress: Progress,
        work: Work,
        review: Review | None = None,
    ) -> Workbench:
        """What the phases share. Without suspects nothing is trained, nor is it asked how."""
        training, steps = self._training(case)
        if bool(found.evidence.flagged.any()):
            training = suited(training, case, found.predictions)
        training = lasting(training, len(case.images), steps)
        left_out = trusted(doubtful(case, found), review)
        return Workbench(
            case.images,
            case.holdout,
            training,
            left_out,
            generator,
            progress,
            work,
            whole=case.base is None,
        )


def _is_head(network: nn.Module) -> bool:
    """Whether so few of its weights need a gradient that these are a head's."""
    needed = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return needed < HEAD * sum(p.numel() for p in network.parameters())


def _scattered(said: Index | None, left: Flags) -> Labels | None:
    """What was said of the images that were left, as that of all; -1 of the others."""
    if said is None:
        return None
    return torch.full_like(left, -1, dtype=torch.long).masked_scatter(left, said)


def together(first: Suspects, second: Suspects) -> Suspects:
    """The suspects of both, in the order of their rows."""
    index = torch.cat([first.index, second.index])
    order = index.argsort()
    return Suspects(
        index[order],
        torch.cat([first.given_label, second.given_label])[order],
        torch.cat([first.restored_label, second.restored_label])[order],
        torch.cat([first.confidence, second.confidence])[order],
    )


def reviewed(restored: Restored, case: Case, review: Review | None) -> Restored:
    """The same with the suspects as a person decided."""
    return replace(restored, suspects=judged(restored.suspects, case.images, review))

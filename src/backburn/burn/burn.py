"""BURN: backdoor unlearning via adversarial boundary analysis. Reads like docs/method.md."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from ..detection.boundary_detector import BoundaryDetector, Findings
from ..detection.student import lasting, suited
from ..models.checking import check_fit
from ..training import Training
from ..types import Audit, Case, Phase, Progress, Repaired, Suspects, silent
from .base import Defense
from .decoupling import Decoupling, decouple
from .finetune import Workbench
from .purification import Purification, purify
from .refinement import Refinement, refine
from .restoration import restore_labels
from .trigger import StampTrigger, estimate_trigger


@dataclass(frozen=True)
class BURN(Defense):
    """Find poison by its boundary, restore its labels, and unlearn what it taught.

    Args:
        detector, decoupling, refinement, purification: the phases' hyperparameters.
        training: of every fine-tuning.
    Source: Su et al., arXiv 2507.10491. Departures are named where each phase is.
    """

    detector: BoundaryDetector = field(default_factory=BoundaryDetector)
    decoupling: Decoupling = field(default_factory=Decoupling)
    refinement: Refinement = field(default_factory=Refinement)
    purification: Purification = field(default_factory=Purification)
    training: Training = field(
        default_factory=lambda: Training(epochs=3, learning_rate=0.05, warmup=0.1)
    )

    def audit(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = silent,
        shards: Path | None = None,
    ) -> Audit:
        """Verdict and suspects; the case is left as it was.

        Args:
            shards: folder that keeps what is done of the boundary search, so that it can go on.
        Raises:
            InputError: a model that does not fit the images.
        """
        check_fit(case.model, case.images)
        found = self.detector.study(case, generator, progress, shards)
        suspects = restore_labels(case.images, found)
        return Audit(suspects, found.evidence, found.verdict, found.boundary)

    def repair(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = silent,
        shards: Path | None = None,
    ) -> Repaired:
        """Audit the case, and where it is backdoored, repair a copy of its model.

        Args:
            shards: see `audit`.
        Returns:
            The case's own model where nothing is flagged.
        Raises:
            InputError: a model that does not fit the images.
        """
        check_fit(case.model, case.images)
        diary: list[Phase] = []
        with timed("boundary", diary) as figures:
            found = self.detector.study(case, generator, progress, shards)
            suspects = restore_labels(case.images, found)
            figures.update(suspects=len(suspects), p_value=found.verdict.p_value)
        model = case.model
        if len(suspects):
            model, suspects = self._unlearn(case, found, suspects, generator, progress, diary)
        return Repaired(
            model, suspects, found.evidence, found.verdict, found.boundary, tuple(diary)
        )

    def _unlearn(
        self,
        case: Case,
        found: Findings,
        suspects: Suspects,
        generator: torch.Generator,
        progress: Progress,
        diary: list[Phase],
    ) -> tuple[nn.Module, Suspects]:
        training = lasting(suited(self.training, case), len(case.images))
        stamp = self._stamp(case, found, suspects, generator)
        bench = Workbench(case.images, training, stamp, generator, progress)
        with timed("decoupling", diary):
            model = decouple(self.detector.student, case, found, suspects, generator, progress)
        views = training.augmentation
        for number in range(self.refinement.rounds + 1):
            with timed("refinement", diary) as figures:
                refined = refine(self.refinement, case, found, model, views, generator, progress)
                changed = changes(suspects, refined)
                figures.update(changed)
            suspects = refined
            settled = not changed["joined"] + changed["left"] + changed["relabeled"]
            if number == self.refinement.rounds or (number and settled):
                break
            with timed("purification", diary):
                model = purify(self.purification, bench, model, suspects)
        return model, suspects

    def _stamp(
        self, case: Case, found: Findings, suspects: Suspects, generator: torch.Generator
    ) -> StampTrigger | None:
        """The estimated trigger, where one was seen to carry over to other images."""
        targets, trials = found.verdict.target_labels, found.tried.trials
        if max(trials[label].transfer for label in targets) < self.decoupling.carried:
            return None
        trigger = estimate_trigger(case.images, suspects, targets)
        return StampTrigger(trigger, self.decoupling.stamped, generator)


@contextmanager
def timed(name: str, diary: list[Phase]) -> Iterator[dict[str, float]]:
    """Enter a phase in the diary, with its seconds and the figures that were filled in."""
    figures: dict[str, float] = {}
    start = time.perf_counter()
    yield figures
    diary.append(Phase(name, round(time.perf_counter() - start, 3), figures))


def changes(before: Suspects, after: Suspects) -> dict[str, float]:
    """How many suspects there are, joined, left, and changed their restored label."""
    old = dict(zip(before.index.tolist(), before.restored_label.tolist(), strict=True))
    new = dict(zip(after.index.tolist(), after.restored_label.tolist(), strict=True))
    return {
        "suspects": len(new),
        "joined": len(new.keys() - old.keys()),
        "left": len(old.keys() - new.keys()),
        "relabeled": sum(old[row] != new[row] for row in new.keys() & old.keys()),
    }

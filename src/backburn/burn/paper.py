"""BURN as its authors tell it, to stand beside what became of it here."""

from dataclasses import dataclass, field
from math import nan

import torch
from torch import nn

from ..boundary.budget import budget_named
from ..boundary.distances import Search
from ..data.review import Review, check_review
from ..detection.activation_statistics import anomaly_index
from ..errors import InputError
from ..executor.interface import HERE, Work
from ..metrics import rate
from ..models.inference import predict
from ..models.input_check import check_fit
from ..training import Training
from ..training.adaptation import lasting, suited
from ..types import (
    BoundaryResult,
    Case,
    Evidence,
    Flags,
    Labels,
    PerImage,
    Phase,
    Progress,
    Suspects,
    Unlearned,
    Verdict,
    silent,
)
from .fine_tuning import Workbench
from .history import changes, timed
from .interface import Unlearning
from .review import judged, trusted

STEPS = 120
"""Of every fine-tuning, however few images there are."""


@dataclass(frozen=True)
class PaperBURN(Unlearning):
    """Abnormal distances are poison, boundary labels are true, disagreement is feedback.

    It takes the model to be backdoored, as the paper does: there is no verdict of a clean case.

    Args:
        budget: effort of the boundary search: `screen`, `fast`, `default` or `exact`.
        abnormal: a distance is abnormal from so many robust standard deviations above the median
            on, over all images; set on development victims (docs/method.md).
        rounds: of refinement and purification, at the most.
        training: of every fine-tuning; extended to 120 steps.
    Source: Su et al., BURN, arXiv 2507.10491, as far as its abstract tells. Departures: what is
    abnormal, the rounds and the fine-tuning are not in it and are ours.
    """

    budget: str = "fast"
    abnormal: float = 2.0
    rounds: int = 3
    training: Training = field(
        default_factory=lambda: Training(epochs=1, learning_rate=0.01, warmup=0.1)
    )

    def __post_init__(self) -> None:
        budget_named(self.budget)
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
        progress: Progress = silent,
        work: Work = HERE,
        review: Review | None = None,
    ) -> Unlearned:
        """Decouple, then refine and purify until the suspects are stable.

        Returns:
            The case's own model where a review leaves no suspects.
        Raises:
            InputError: a model or a review that does not fit the images.
        """
        check_fit(case.model, case.images)
        if review is not None:
            check_review(review, case.images)
        diary: list[Phase] = []
        with timed("boundary", diary) as figures:
            first = predict(case.model, case.images.pixels).argmax(1)
            agreed = first == case.images.labels
            asked = (case.model, case.images.pixels, Search(budget=self.budget))
            found = work.boundary(*asked, predictions=first, progress=progress)
            z = abnormality(found, agreed)
            suspects = suspects_of(case, z > self.abnormal, found.crossed_label)
            suspects = judged(suspects, case.images, review)
            figures.update(suspects=len(suspects))
        evidence = Evidence(torch.sigmoid(z - self.abnormal), z > self.abnormal)
        model = case.model
        if len(suspects) or not review:
            known = (agreed, suspects, generator, progress, diary, review, work)
            model, suspects = self._unlearn(case, *known)
        verdict = Verdict("backdoored", (_commonest(suspects),) if len(suspects) else (), nan)
        return Unlearned(
            model=model,
            history=tuple(diary),
            suspects=suspects,
            evidence=evidence,
            verdict=verdict,
            boundary=found,
        )

    def _unlearn(
        self,
        case: Case,
        agreed: Flags,
        suspects: Suspects,
        generator: torch.Generator,
        progress: Progress,
        diary: list[Phase],
        review: Review | None,
        work: Work,
    ) -> tuple[nn.Module, Suspects]:
        training = lasting(suited(self.training, case), len(case.images), STEPS)
        left_out = trusted(~agreed, review)
        bench = Workbench(case.images, case.holdout, training, left_out, generator, progress, work)
        with timed("decoupling", diary):
            model = bench.fine_tune(case.model, suspects, 0.0, "decoupling")
        for _ in range(self.rounds):
            with timed("refinement", diary) as figures:
                said = predict(model, case.images.pixels, phase="refinement", progress=progress)
                differs = agreed & (said.argmax(1) != case.images.labels)
                refined = judged(suspects_of(case, differs, said.argmax(1)), case.images, review)
                changed = changes(suspects, refined)
                figures.update(changed, discrepancy=rate(differs[agreed]))
            suspects = refined
            if not changed["joined"] + changed["left"] + changed["relabeled"]:
                break
            with timed("purification", diary):
                model = bench.fine_tune(model, suspects, 0.0, "purification")
        return model, suspects


def abnormality(found: BoundaryResult, agreed: Flags) -> PerImage:
    """How many robust standard deviations each distance lies above the median of them all.

    Where the model disagrees with the label, or no boundary was found, it is the least there is; 0
    where that holds for all images.
    """
    usable = agreed & found.found
    if not bool(usable.any()):
        return torch.zeros(len(found))
    above = anomaly_index(found.distance[usable])
    z = torch.full((len(found),), float(above.min()))
    z[usable] = above
    return z


def suspects_of(case: Case, chosen: Flags, labels: Labels) -> Suspects:
    """These images, each with the label that is said of it."""
    index = chosen.nonzero().flatten()
    return Suspects(index, case.images.labels[index], labels[index], torch.ones(len(index)))


def _commonest(suspects: Suspects) -> int:
    return int(suspects.given_label.mode().values)

"""Our detector: what the way to the boundary says about each image, within its class."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch

from ..boundary.budget import budget_named
from ..boundary.distances import boundary
from ..boundary.results import overlaid
from ..boundary.shards import boundary_in_shards
from ..errors import InputError
from ..models.inference import predict
from ..types import (
    BoundaryResult,
    Case,
    Evidence,
    Flags,
    Labels,
    PerImage,
    Progress,
    Verdict,
    silent,
)
from .base import Detector
from .populations import SMALLEST, TwoPopulations, oriented, split
from .statistics import cluster_projection, dominant_projection, log_distance
from .verdict import class_weight, clearest, reach_verdict

DOUBT = 0.02
"""An image is in doubt where each population is at least so likely."""


class Findings(NamedTuple):
    """Everything the detector found out: the boundary, the score of each image, the verdict."""

    boundary: BoundaryResult
    evidence: Evidence
    verdict: Verdict


@dataclass(frozen=True)
class BoundaryDetector(Detector):
    """Distance to the boundary and shared direction, within each predicted class.

    Args:
        budget: effort of the boundary search: `screen`, `fast`, `default` or `exact`.
        coarse_to_fine: screen every image, and spend the budget only where that could change
            verdict or suspects; the other distances are estimates.
        batch_size: images at a time.
        false_alarm: p-value under which a class is called a target.
        suspicion: p-value under which a case is called suspicious.
    Source: the observations of BURN (Su et al., arXiv 2507.10491). Departures: distances are
    compared within the class, beside the direction that poison samples share (docs/method.md).
    """

    budget: str = "fast"
    coarse_to_fine: bool = False
    batch_size: int = 256
    false_alarm: float = 0.01
    suspicion: float = 0.05

    def __post_init__(self) -> None:
        budget_named(self.budget)
        if self.batch_size < 1:
            raise InputError("batch_size of the detector: give 1 or more")
        if not 0 < self.false_alarm <= self.suspicion < 1:
            raise InputError(
                f"false_alarm={self.false_alarm}, suspicion={self.suspicion}: give "
                "0 < false_alarm <= suspicion < 1"
            )

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        return self.study(case, generator, progress).evidence

    def study(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = silent,
        shards: Path | None = None,
    ) -> Findings:
        """The evidence, and the boundary and verdict it goes with.

        Args:
            shards: folder that keeps what is done of the boundary search, so that it can go on.
        Raises:
            InputError: a model that agrees with no label at all.
        """
        pixels, labels = case.images.pixels, case.images.labels
        agreed = predict(case.model, pixels, progress=progress).argmax(1) == labels
        if not bool(agreed.any()):
            raise InputError(
                f"the model agrees with none of the {len(labels)} labels: give the images and "
                "labels that it was trained on"
            )
        seed = int(torch.randint(2**31, (), generator=generator))
        first = "screen" if self.coarse_to_fine else self.budget
        measured = self._measure(case, agreed, first, progress, shards)
        found, member = self._judge(labels, agreed, measured, seed)
        if not self.coarse_to_fine:
            return found
        doubtful = self._in_doubt(labels, found.verdict, agreed, member)
        if bool(doubtful.any()):
            finer = self._measure(case, doubtful, self.budget, progress, None)
            measured = overlaid(measured, finer, doubtful & finer.found)
            found, _ = self._judge(labels, agreed, measured, seed)
        return found

    def _in_doubt(self, labels: Labels, verdict: Verdict, agreed: Flags, member: PerImage) -> Flags:
        """Whose certified distance could change something.

        All images where the verdict itself is not clear; else those of a target class that either
        population might claim.
        """
        clear = verdict.p_value > 10 * self.suspicion or verdict.state == "backdoored"
        if not clear:
            return agreed
        target = torch.isin(labels, torch.tensor(verdict.target_labels, dtype=torch.int64))
        return target & (member > DOUBT) & (member < 1 - DOUBT)

    def _judge(
        self, labels: Labels, agreed: Flags, measured: BoundaryResult, seed: int
    ) -> tuple[Findings, PerImage]:
        """Verdict and score; and how likely each image belongs to its class's odd population."""
        rows = {
            label: index
            for label, index in rows_by_class(labels, agreed & measured.found).items()
            if len(index) >= SMALLEST
        }
        dominant = {k: _split_by_dominant(measured, index, seed) for k, index in rows.items()}
        clusters = {k: _split_by_clusters(measured, index, seed) for k, index in rows.items()}
        views = (dominant, clusters)
        verdict, chosen = reach_verdict(views, self.false_alarm, self.suspicion), clearest(views)
        member, score = torch.zeros(len(labels)), torch.zeros(len(labels))
        for label, index in rows.items():
            member[index] = chosen[label].member
            score[index] = chosen[label].member * class_weight(label, verdict)
        return Findings(measured, Evidence(score, score > 0.5), verdict), member

    def _measure(
        self, case: Case, wanted: Flags, budget: str, progress: Progress, shards: Path | None
    ) -> BoundaryResult:
        """The boundary of the wanted images; the others are not found."""
        index = wanted.nonzero().flatten()
        search = partial(boundary_in_shards, folder=shards) if shards else boundary
        part = search(
            case.model,
            case.images.pixels[index],
            batch_size=self.batch_size,
            budget=budget,
            directions=True,
            predictions=case.images.labels[index],  # the images measured are those it agrees on
            progress=progress,
        )
        return part.scattered(index, len(wanted))


def rows_by_class(labels: Labels, usable: Flags) -> dict[int, torch.Tensor]:
    """The usable rows of each class that occurs."""
    return {
        label: ((labels == label) & usable).nonzero().flatten()
        for label in sorted(set(labels.tolist()))
    }


def _split_by_dominant(measured: BoundaryResult, index: torch.Tensor, seed: int) -> TwoPopulations:
    """By distance and the way that dominates: plain where clean images have each their own."""
    directions = _directions(measured)[index]
    statistics = [dominant_projection(directions), log_distance(measured.distance[index])]
    return oriented(split(torch.stack(statistics, 1), leading=2, seed=seed), directions)


def _split_by_clusters(measured: BoundaryResult, index: torch.Tensor, seed: int) -> TwoPopulations:
    """By two clusters of ways, and distance: plainer where clean images share a way, too."""
    directions = _directions(measured)[index]
    statistics = [cluster_projection(directions, seed), log_distance(measured.distance[index])]
    return oriented(split(torch.stack(statistics, 1), leading=1, seed=seed), directions)


def _directions(measured: BoundaryResult) -> torch.Tensor:
    if measured.direction is None:
        raise ValueError("the boundary was measured without directions")
    return measured.direction

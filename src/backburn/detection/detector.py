"""The detector: split every class, test both groups, compare with groups that nobody planted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..boundary.budget import budget_named
from ..boundary.distances import Search
from ..errors import InputError
from ..executor.interface import HERE, Work
from ..interfaces import Detector
from ..memory_mapped import rows_of
from ..models.embedding import embeddings as embedded
from ..models.input_check import check_fit
from ..training.adaptation import forgettable
from ..types import (
    BoundaryResult,
    Case,
    Evidence,
    Features,
    Flags,
    Logits,
    Progress,
    Verdict,
    silent,
)
from .candidates import Splitter, kinds, rows_by_class
from .interventions.base import interventions
from .probe_test import fit_probe
from .records import Finding, Findings
from .retraining import Retraining
from .sampling import of_each, some
from .test_statistics import Measuring
from .verdict import Tests
from .witness import second_opinion

VARYING = 200
"""Images of all classes that natural variation is taken from."""


@dataclass(frozen=True)
class PoisonDetector(Detector):
    """Finds groups of images that have their label because of something put into them.

    Args:
        false_alarm: p-value of a case below which it is called backdoored: the share of clean
            models that may be accused.
        suspicion: p-value below which a case is called suspicious.
        smallest: images of a candidate group, at the least. What a handful has in common is these
            images themselves.
        asked: images of other classes that each intervention is tried on.
        resolution: share of images; the finest scale of the tail of transfer's null distribution.
            With `asked` images a share is not known better.
        resolution_probe: the same of the probe test. With .03, 29 clean development cases had
            uniform p-values; a little more keeps natural kinds of digits from being suspicious.
        least: share of images; a group is flagged only if its transfer or its probe statistic is as
            large, and it leads the other group of its split by as much.
        retraining: how a model is retrained without the suspects.
        budget: effort of the boundary search of suspects: `screen`, `fast`, `default` or `exact`.
        probes: images of each target class whose boundary is searched beside those of the suspects;
            of more than ten classes fewer, ten of each at the least.
        batch_size: images at a time in that search.
    Source: ours (docs/method.md). Groups in activations: Spectral signatures (Tran et al., NeurIPS
    2018), FLARE (Hou et al., arXiv 2411.19479).
    """

    false_alarm: float = 0.01
    suspicion: float = 0.05
    smallest: int = 10
    asked: int = 60
    resolution: float = 0.02
    resolution_probe: float = 0.04
    least: float = 0.05
    retraining: Retraining = field(default_factory=Retraining)
    budget: str = "fast"
    probes: int = 20
    batch_size: int = 256

    def __post_init__(self) -> None:
        budget_named(self.budget)
        if min(self.batch_size, self.probes, self.asked) < 1 or self.smallest < 2:
            raise InputError(
                "batch_size, probes and asked of the detector: give 1 or more; smallest: 2 or more"
            )
        scales = self.resolution, self.resolution_probe
        if not all(0 < scale < 1 for scale in scales) or not 0 <= self.least < 1:
            raise InputError(
                f"resolution={self.resolution}, resolution_probe={self.resolution_probe}, "
                f"least={self.least}: give fractions below 1"
            )
        if not 0 < self.false_alarm <= self.suspicion < 1:
            raise InputError(
                f"false_alarm={self.false_alarm}, suspicion={self.suspicion}: give "
                "0 < false_alarm <= suspicion < 1"
            )

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = silent
    ) -> Evidence:
        check_fit(case.model, case.images)
        return self.study(case, generator, progress).evidence

    def study(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = silent,
        work: Work = HERE,
        *,
        doubt: str = "",
        retrain: bool = True,
        every_suspect: bool = True,
        embeddings: Features | None = None,
    ) -> Findings:
        """The evidence, and the verdict it leads to.

        Args:
            work: who searches and trains, and keeps what is done of it.
            doubt: why the case must not be called clean, whatever is found; empty if there is no
                reason.
            retrain: retrain a model without the suspects, which helps to tell their labels. Models
                of which no layer can be drawn anew are not retrained.
            every_suspect: search the boundary of every suspect, not only of the probes.
            embeddings: what the witness makes of the images, where that is known already.
        Raises:
            InputError: a model that agrees with no label at all.
        """
        features, said = work.activations(case.model, case.images.pixels, progress=progress)
        labels, seed = case.images.labels, int(torch.randint(2**31, (), generator=generator))
        agreed = said == labels
        if not bool(agreed.any()):
            raise InputError(
                f"the model agrees with none of the {len(labels)} labels: give the images and "
                "labels that it was trained on"
            )
        rows = rows_by_class(labels, agreed)
        splitter = Splitter(features, self.smallest, seed)
        first = {k: top[0] for k, r in rows.items() if (top := splitter.split(k, r))}
        kind = kinds(len(labels), first)
        varying = (kind >= 0).nonzero().flatten()
        if embeddings is None and case.second is not None and first:
            embeddings = embedded(
                case.second, case.images.pixels, phase="witness", progress=progress
            )
        witness = None
        if embeddings is not None and len(rows) > 1:
            witness = second_opinion(embeddings, labels, seed)
        measuring = Measuring(
            case.model,
            case.images,
            rows,
            kind,
            some(varying, VARYING, generator),
            interventions(),
            {"activations": fit_probe(features, rows, seed)} if first else {},
            fit_probe(features[:, : max(1, features.shape[1] // 2)], rows, seed) if first else None,
            self.asked,
            self.least,
            seed,
            witness,
        )
        tests = Tests(self, measuring, splitter, len(rows))
        tests.measure_all(first, progress)
        found = [each for label in first for each in tests.findings(label, rows[label], agreed)]
        verdict = tests.verdict(found, doubt or _too_few(rows, labels))
        evidence = _evidence(found, len(labels), verdict)
        convicted = tuple(each for each in found if each.label in verdict.convicted)
        wanted = torch.zeros_like(agreed)
        if convicted:  # without suspects there is nothing whose boundary would tell anything
            each = of_each(self.probes, len(rows))
            targets = {k: rows[k][~evidence.flagged[rows[k]]] for k in verdict.convicted}
            wanted |= _probes(targets, each, len(labels), generator)
            wanted |= evidence.flagged & every_suspect
        boundary = self._boundary(case, wanted & agreed, progress, work)
        unseen = None
        if retrain and convicted:
            unseen = self._unseen(case, convicted, agreed, measuring, generator, progress, work)
        log = tuple(tests.log)
        return Findings(
            boundary, evidence, verdict, agreed, convicted, unseen, log, said, embeddings,
            None if witness is None else witness.called,
        )  # fmt: skip

    def _unseen(
        self,
        case: Case,
        convicted: Sequence[Finding],
        agreed: Flags,
        measuring: Measuring,
        generator: torch.Generator,
        progress: Progress,
        work: Work,
    ) -> Logits:
        """What a witness says of suspects that it was not fitted to.

        Without one, what a retrained model and a probe say, on average. Where all was trained from
        scratch, the retrained model knows better; where early layers were trained on more than
        these images, the probe does.
        """
        suspects = torch.cat([each.flagged for each in convicted])
        hidden = ~agreed
        hidden[suspects] = True
        said = torch.full((len(hidden), case.images.class_count), torch.nan)
        if measuring.witness is not None:
            told = measuring.witness.probabilities(suspects, ~hidden)
            said[suspects] = -torch.inf
            said[suspects, : told.shape[1]] = told.clamp_min(1e-9).log()
            return said
        if forgettable(case.model):
            said = self.retraining.run(case, hidden, generator, progress, work)
        probe = measuring.probes["activations"]
        for each in convicted:
            of_class = measuring.others[each.label]
            rest = of_class[~torch.isin(of_class, suspects)]
            told = probe.probabilities(each.label, each.flagged, rest)
            padded = torch.zeros(len(told), said.shape[1])
            padded[:, : told.shape[1]] = told
            before = said[each.flagged].exp()
            both = torch.where(before.isnan(), padded, (before + padded) / 2)
            said[each.flagged] = both.clamp_min(1e-9).log()
        return said

    def _boundary(
        self, case: Case, wanted: Flags, progress: Progress, work: Work
    ) -> BoundaryResult:
        """The boundary of these images; nothing is found for the others, which are not searched."""
        rows = wanted.nonzero().flatten()
        found = work.boundary(
            case.model,
            rows_of(case.images.pixels, rows),
            Search("2", self.budget, self.batch_size, directions=False, features=False),
            predictions=case.images.labels[rows],  # only images that it agrees on are searched
            progress=progress,
        )
        return found.scattered(rows, len(wanted))


def _evidence(found: Sequence[Finding], count: int, verdict: Verdict) -> Evidence:
    """Membership in a poisoned group; less than half of it where no target is convicted."""
    score = torch.zeros(count)
    for each in found:
        weight = 1.0 if each.label in verdict.convicted else 0.49
        score[each.rows] = torch.maximum(score[each.rows], each.member * weight)
    return Evidence(score, score > 0.5)


def _probes(rows: Mapping[int, Tensor], each: int, count: int, generator: torch.Generator) -> Flags:
    """At most so many images of each class."""
    chosen = torch.zeros(count, dtype=torch.bool)
    for of_class in rows.values():
        chosen[some(of_class, each, generator)] = True
    return chosen


def _too_few(rows: Mapping[int, Tensor], labels: Tensor) -> str:
    """Why too few classes could be examined; empty where enough could."""
    classes = len(set(labels.tolist()))
    if 2 * len(rows) >= classes:
        return ""
    return (
        f"only {len(rows)} of {classes} classes have 20 images or more that the model calls by "
        "their label: give more images"
    )

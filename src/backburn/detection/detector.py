"""The detector: split every class, test both groups, compare with groups that nobody planted."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..boundary.budget import budget_named
from ..boundary.distances import Search
from ..errors import InputError
from ..mapping import rows_of
from ..methods import Detector
from ..models.checking import check_fit
from ..types import (
    BoundaryResult,
    Case,
    ClassEvidence,
    Evidence,
    Flags,
    Progress,
    Verdict,
    silent,
)
from ..work.contract import HERE as LOCAL
from ..work.contract import Work as Executor
from .candidates import Split, Splitter, kinds, rows_by_class
from .interventions.base import interventions
from .measuring import Measuring
from .null import combined, holm, needed, p_value
from .records import Finding, Findings, Measured
from .retraining import Retraining
from .samples import of_each, some

PLACEBOS, LINES = 24, 5
"""Placebo groups that are aimed at, and lines that one set of images is split along at the most."""
ALIKE = 0.5
"""Images join a group that its split had left out if they are half as dependent on its change."""
VARYING = 200
"""Images of all classes that natural variation is taken from."""
ROUNDS, MOST = 8, 64
"""Backdoors of one class, and classes that may be targets, at the most."""

UNTOLD = (
    "the class holds two kinds of images that differ as poisoned and clean ones do, but which of "
    "them was poisoned cannot be told. Give more of the training images"
)


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
        resolution_retraining: the same of the retraining test. Clean models had .04 of
            it at most (docs/protocol.md).
        least: share of images; a group is flagged only if its transfer or its retraining statistic
            is as large, and it leads the other group of its split by as much.
        retraining: how models are retrained without a group.
        budget: effort of the boundary search of suspects: `screen`, `fast`, `default` or `exact`.
        probes: images of each class whose boundary is searched beside those of the suspects; of
            more than ten classes fewer, ten of each at the least.
        batch_size: images at a time in that search.
    Source: ours (docs/method.md). Groups in activations: Spectral signatures (Tran et al., NeurIPS
    2018), FLARE (Hou et al., arXiv 2411.19479).
    """

    false_alarm: float = 0.01
    suspicion: float = 0.05
    smallest: int = 10
    asked: int = 60
    resolution: float = 0.02
    resolution_retraining: float = 0.01
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
        scales = self.resolution, self.resolution_retraining
        if not all(0 < scale < 1 for scale in scales) or not 0 <= self.least < 1:
            raise InputError(
                f"resolution={self.resolution}, resolution_retraining="
                f"{self.resolution_retraining}, least={self.least}: give fractions below 1"
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
        work: Executor = LOCAL,
        *,
        doubt: str = "",
        retrain: bool = True,
        every_suspect: bool = True,
    ) -> Findings:
        """The evidence, and the verdict it leads to.

        Args:
            work: who searches and trains, and keeps what is done of it.
            doubt: why the case must not be called clean, whatever is found; empty if there is no
                reason.
            retrain: also test what retrained models say. Without it an audit takes one pass over
                the images and little more, and sees only what transfers.
            every_suspect: search the boundary of every suspect, not only of the probes.
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
        unseen = None
        if retrain and first:
            known = (case, agreed, list(first.values()), generator, progress, work)
            unseen = self.retraining.run(*known)
        kind = kinds(len(labels), first)
        varying = (kind >= 0).nonzero().flatten()
        measuring = Measuring(
            case.model,
            case.images,
            rows,
            kind,
            some(varying, VARYING, generator),
            interventions(),
            self.asked,
            unseen,
            seed,
        )
        tests = Tests(self, measuring, splitter, len(rows))
        tests.measure_all(first, progress)
        found = [each for label in first for each in tests.findings(label, rows[label], agreed)]
        verdict = tests.verdict(found, doubt or _too_few(rows, labels))
        evidence = _evidence(found, len(labels), verdict)
        shown = evidence.flagged if every_suspect else torch.zeros_like(agreed)
        probed = _probes(rows, of_each(self.probes, len(rows)), len(labels), generator)
        boundary = self._boundary(case, (shown | probed) & agreed, progress, work)
        convicted = tuple(each for each in found if each.label in verdict.convicted)
        log = tuple(tests.log)
        said_unseen = unseen.log_probabilities if unseen else None
        return Findings(boundary, evidence, verdict, agreed, convicted, said_unseen, log)

    def _boundary(
        self, case: Case, wanted: Flags, progress: Progress, work: Executor
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


class Tests:
    """The tests of one case: measured candidates, null distributions, findings, verdict."""

    def __init__(
        self, settings: PoisonDetector, measuring: Measuring, splitter: Splitter, classes: int
    ) -> None:
        self.settings, self.measuring, self.splitter = settings, measuring, splitter
        self.classes = classes
        self.measured: dict[int, list[Measured]] = {}
        self.set_aside: frozenset[int] = frozenset()
        self.log: list[dict[str, float | int | str]] = []
        self._best: dict[int, tuple[float, Measured]] = {}

    def measure_all(self, first: Mapping[int, Split], progress: Progress) -> None:
        """The splits of each class, and of both of its sides."""
        others = max(1, len(first) - 1)
        lines = min(LINES, max(1, math.ceil(PLACEBOS / (2 * others))))
        for number, (label, top) in enumerate(first.items(), 1):
            self.measured[label] = self._groups(label, top, lines)
            progress("tests", number, len(first))
        self.set_aside = self._outstanding()
        for label, groups in self.measured.items():
            scored = [(self.p_value(each), each) for each in groups]
            self._best[label] = min(scored, key=lambda pair: (pair[0], -pair[1].strength))
            self.log += [self._row(each, p) for p, each in scored]

    def _groups(self, label: int, top: Split, lines: int, first: bool = True) -> list[Measured]:
        splits = [top]
        for side in top:
            splits += self.splitter.split(label, side.group, 2, lines)
        return [self._stronger(each, first) for each in splits]

    def _stronger(self, split: Split, first: bool) -> Measured:
        """The group of a split that more speaks for."""
        weaker, stronger = sorted(
            (self.measuring.measure(each, first) for each in split), key=lambda each: each.strength
        )
        return replace(stronger, lead=stronger.strength - weaker.strength)

    def _outstanding(self) -> frozenset[int]:
        """The classes that are no placebos: as many of the strongest as are significant together.

        One target would hide another if each were compared with the other. So the strongest `j`
        classes are compared with the rest only, and the largest `j` counts of which all are
        significant.
        """
        strongest = sorted(
            self.measured, key=lambda k: -max(each.strength for each in self.measured[k])
        )
        out: frozenset[int] = frozenset()
        for count in range(1, min(MOST, len(strongest)) + 1):
            together = frozenset(strongest[:count])
            least = [
                min(self.p_value(each, together) for each in self.measured[label])
                for label in strongest[:count]
            ]
            if max(least) * self.splits * self.classes < self.settings.false_alarm:
                out = together
        return out

    @property
    def splits(self) -> int:
        """Splits of a class that were looked at: its own, and those of both of its sides."""
        return max((len(groups) for groups in self.measured.values()), default=1)

    def p_value(self, measured: Measured, set_aside: frozenset[int] | None = None) -> float:
        """Of one group, by the groups of all other classes that are not set aside.

        Where more than half of the classes are, by the splits of sides of all other classes: within
        a side there is no trigger, or nothing but the trigger.
        """
        aside = self.set_aside if set_aside is None else set_aside
        within = 2 * len(aside) > len(self.measured)
        placebos = [
            each
            for label, groups in self.measured.items()
            if label != measured.candidate.label and (within or label not in aside)
            for each in groups
            if not within or each.candidate.level == 2
        ]
        kinds_of = self.measuring.interventions
        transfers = [
            p_value(
                value,
                [each.transfer[name] for each in placebos],
                max(self.settings.resolution, kinds_of[name].resolution),
            )
            for name, value in measured.transfer.items()
        ]
        transfer = min(1.0, len(transfers) * min(transfers))
        if not math.isfinite(measured.retraining):
            return transfer
        known = [each.retraining for each in placebos]
        moved = p_value(measured.retraining, known, self.settings.resolution_retraining)
        return combined(transfer, moved)

    def findings(self, label: int, rows: Tensor, agreed: Flags) -> list[Finding]:
        """The backdoors of a class: the strongest group is set aside, then what is left is split.

        Nothing is looked for after the first group that is not significant.
        """
        everything = (self.measuring.images.labels == label).nonzero().flatten()
        left, found = rows, list[Finding]()
        groups = self.measured[label]
        while len(found) < ROUNDS:
            p, best = min(
                ((self.p_value(each), each) for each in groups),
                key=lambda pair: (pair[0], -pair[1].strength),
            )
            level = self.settings.false_alarm if found else self.settings.suspicion
            if p * self.splits * self.classes >= level or not self._usable(best):
                break
            free = everything[~torch.isin(everything, rows[~torch.isin(rows, left)])]
            member = self._spread(best, free, agreed, first=not found)
            found.append(_finding(best, free, member, p))
            left = left[~torch.isin(left, found[-1].flagged)]
            again = self.splitter.split(label, left)
            if not again:
                break
            groups = self._groups(label, again[0], 1, first=False)
            self.log += [self._row(each, self.p_value(each)) for each in groups]
        return found

    def _spread(self, best: Measured, rows: Tensor, agreed: Flags, first: bool) -> Tensor:
        """Membership of all images of the class, if those added are like the group's own.

        Args:
            rows: of the class that are not set aside yet.
        """
        group = best.candidate.group
        member = self.splitter.spread(best.candidate, rows, agreed)
        added = rows[(member > 0.5) & agreed[rows] & ~torch.isin(rows, group)]
        if not len(added) or self.measuring.alike(best, added, first) >= ALIKE:
            return member
        own = torch.isin(rows, group) | ~agreed[rows]
        return torch.where(own, member.maximum(torch.isin(rows, group).float()), 0.0)

    def _usable(self, measured: Measured) -> bool:
        """Whether anybody could use such a backdoor, and it is clear which group carries it."""
        largest = max(measured.transfer.values())
        if math.isfinite(measured.retraining):
            largest = max(largest, measured.retraining)
        return min(largest, measured.lead) >= self.settings.least

    def verdict(self, found: Sequence[Finding], doubt: str) -> Verdict:
        """What the findings say of the whole case."""
        labels = list(self.measured)
        paid = dict(
            zip(
                labels,
                holm([min(1.0, self._best[k][0] * self.splits) for k in labels], self.classes),
                strict=True,
            )
        )
        classes = tuple(self._class_evidence(k, paid[k], found) for k in sorted(labels))
        least = min(paid.values(), default=1.0)
        named = {each.label for each in found}
        targets = tuple(k for k in sorted(named) if paid[k] < self.settings.false_alarm)
        if targets:
            return Verdict("backdoored", targets, least, classes)
        doubtful = tuple(k for k in sorted(labels) if paid[k] < self.settings.suspicion)
        if doubtful:
            reason = "" if named & set(doubtful) else UNTOLD
            return Verdict("suspicious", doubtful, least, classes, reason)
        doubt = doubt or self._powerless()
        return Verdict("abstained" if doubt else "clean", (), least, classes, doubt)

    def _class_evidence(self, label: int, paid: float, found: Sequence[Finding]) -> ClassEvidence:
        best = self._best[label][1]
        images = sum(len(each.flagged) for each in found if each.label == label)
        return ClassEvidence(
            label,
            images or len(best.candidate.group),
            max(best.transfer.values()),
            best.necessity,
            best.retraining,
            paid,
        )

    def _powerless(self) -> str:
        """Why not even a perfect trigger would have been found; empty if it would have been."""
        everything = [each for groups in self.measured.values() for each in groups]
        level = self.settings.false_alarm / (self.splits * max(1, self.classes))
        values = [
            [max(each.transfer.values()) for each in everything],
            [each.retraining for each in everything],
        ]
        names = len(everything[0].transfer) if everything else 1
        limits = [
            needed(values[0], self.settings.resolution, level / names),
            needed(values[1], self.settings.resolution_retraining, level),
        ]
        if min(limits) < math.inf:
            return ""
        return (
            f"{len(everything)} groups of these images were compared, and they differ so much by "
            "nature that not even a perfect trigger would stand out: give more images or classes"
        )

    def _row(self, measured: Measured, p: float) -> dict[str, float | int | str]:
        """A group's statistics, for the log of the run."""
        candidate = measured.candidate
        sizes = {"group": len(candidate.group), "rest": len(candidate.rest)}
        transfer = {f"transfer_{name}": value for name, value in measured.transfer.items()}
        return {
            "label": candidate.label,
            "level": candidate.level,
            **sizes,
            **transfer,
            "necessity": measured.necessity,
            "retraining": measured.retraining,
            "p_value": p,
        }


def _finding(measured: Measured, rows: Tensor, member: Tensor, p: float) -> Finding:
    transfer = measured.transfer[measured.best]
    change = measured.changes[measured.best]
    shares = transfer, measured.necessity, measured.retraining
    return Finding(measured.candidate.label, rows, member, *shares, p, change)


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

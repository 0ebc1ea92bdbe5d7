"""The poison detector: split every class, test both groups, compare with the other classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..boundary.budget import get_budget
from ..boundary.search_boundary import BoundarySearch
from ..errors import InputError
from ..executor.interface import LOCAL, Executor
from ..interfaces import Detector
from ..memory_mapped import copy_rows
from ..models.embedding import embeddings as embedded
from ..models.input_check import check_fit
from ..results import Evidence, Verdict
from ..training.adapt_settings import has_resettable_layers
from ..types import BoundaryResult, Case, Features, Flags, Index, Logits, Progress, no_progress
from .candidate_groups import ClassSplitter, number_subgroups, rows_by_class
from .interventions.base import all_interventions
from .linear_probe import fit_probe
from .records import DetectedBackdoor, DetectionResult
from .retraining import Retraining
from .sampling import images_per_class, sample_rows
from .settings import DecisionSettings
from .test_statistics import StatisticsCalculator
from .verdict import HypothesisTests
from .witness import fit_witness

VARIATION_SAMPLE = 200
"""Images of all classes that natural variation is estimated from."""


@dataclass(frozen=True)
class PoisonDetector(DecisionSettings, Detector):
    """Finds groups of images that have their label because of something put into them.

    What decides is documented with `DecisionSettings`.

    Args:
        retraining: how a model is retrained without the suspects.
        budget: effort of the boundary search of suspects: `screen`, `fast`, `default` or `exact`.
        probes: images of each target class whose boundary is searched beside those of the suspects.
            With more than ten classes there are fewer, but at least ten per class.
        batch_size: images per batch of that search.
    Source: ours (docs/method.md). Groups in activations: Spectral signatures (Tran et al., NeurIPS
    2018), FLARE (Hou et al., arXiv 2411.19479).
    """

    retraining: Retraining = field(default_factory=Retraining)
    budget: str = "fast"
    probes: int = 20
    batch_size: int = 256

    def __post_init__(self) -> None:
        DecisionSettings.__post_init__(self)
        get_budget(self.budget)
        for name in ("probes", "batch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}={getattr(self, name)}: give 1 or more")

    def examine(
        self, case: Case, generator: torch.Generator, progress: Progress = no_progress
    ) -> Evidence:
        check_fit(case.model, case.images)
        return self.analyze(case, generator, progress).evidence

    def analyze(
        self,
        case: Case,
        generator: torch.Generator,
        progress: Progress = no_progress,
        executor: Executor = LOCAL,
        *,
        abstain_reason: str = "",
        retrain: bool = True,
        further: bool = False,
        every_suspect: bool = True,
        embeddings: Features | None = None,
    ) -> DetectionResult:
        """Examine a case, and decide on a verdict.

        Args:
            executor: runs the boundary search and the retraining, and may store their results.
            abstain_reason: why the case must not be called clean; empty if it may be.
            retrain: retrain a model without the suspects, which helps to restore their labels.
                Models without a layer that can be reset are not retrained.
            further: whether backdoors of this model were unlearned already. Further ones must be
                foreign to their class, see `HypothesisTests.find_backdoors`.
            every_suspect: search the boundary of every suspect, not only of the probes.
            embeddings: the witness's features of the images, if known already.
        Raises:
            InputError: the model calls no image by its label, and no reason to abstain is given.
        """
        features, predictions = executor.activations(
            case.model, case.images.pixels, progress=progress
        )
        labels, seed = case.images.labels, int(torch.randint(2**31, (), generator=generator))
        agreed = predictions == labels
        if not abstain_reason and not bool(agreed.any()):
            raise InputError(
                f"the model agrees with none of the {len(labels)} labels: give the images and "
                "labels that it was trained on"
            )
        rows = rows_by_class(labels, agreed, self.smallest_class)
        splitter = ClassSplitter(features, self.smallest, self.smallest_class, seed)
        first_splits = {
            label: splits[0]
            for label, index in rows.items()
            if (splits := splitter.split(label, index))
        }
        subgroups = number_subgroups(len(labels), first_splits)
        varying = _draw_subgroups(subgroups, VARIATION_SAMPLE // 4, generator)
        if embeddings is None and case.second is not None and first_splits:
            embeddings = embedded(
                case.second, case.images.pixels, phase="witness", progress=progress
            )
        witness = None
        if embeddings is not None and len(rows) > 1:
            witness = fit_witness(embeddings, labels, seed)
        calculator = StatisticsCalculator(
            model=case.model,
            images=case.images,
            rows=rows,
            subgroups=subgroups,
            variation_rows=sample_rows(varying, VARIATION_SAMPLE, generator),
            interventions=all_interventions(self),
            probes={"activations": fit_probe(features, rows, seed)} if first_splits else {},
            early_probe=(
                fit_probe(features[:, : max(1, features.shape[1] // 2)], rows, seed)
                if first_splits
                else None
            ),
            settings=self,
            seed=seed,
            witness=witness,
        )
        tests = HypothesisTests(self, calculator, splitter, len(rows))
        tests.measure_all(first_splits, progress)
        candidates = [
            backdoor
            for label in first_splits
            for backdoor in tests.find_backdoors(label, rows[label], agreed, further)
        ]
        verdict = tests.decide(
            candidates, abstain_reason or _too_few_classes(rows, labels, self.smallest_class)
        )
        evidence = _evidence(candidates, len(labels), verdict)
        backdoors = tuple(each for each in candidates if each.label in verdict.convicted)
        searched = torch.zeros_like(agreed)
        if backdoors:  # without suspects no boundary is of interest
            count = images_per_class(self.probes, len(rows))
            unflagged = {k: rows[k][~evidence.flagged[rows[k]]] for k in verdict.convicted}
            searched |= _draw_from_each(unflagged, count, len(labels), generator)
            searched |= evidence.flagged & every_suspect
        boundary = self._search_boundary(case, searched & agreed, progress, executor)
        log_probs = None
        if retrain and backdoors:
            log_probs = self._held_out_log_probs(
                case, backdoors, agreed, calculator, generator, progress, executor
            )
        return DetectionResult(
            boundary,
            evidence,
            verdict,
            agreed,
            backdoors,
            log_probs,
            tuple(tests.log),
            predictions,
            embeddings,
            None if witness is None else witness.predictions,
        )

    def _held_out_log_probs(
        self,
        case: Case,
        backdoors: Sequence[DetectedBackdoor],
        agreed: Flags,
        calculator: StatisticsCalculator,
        generator: torch.Generator,
        progress: Progress,
        executor: Executor,
    ) -> Logits:
        """Class log-probabilities of suspects by classifiers that were fitted without them.

        With a witness, these are its predictions. Otherwise they are the mean of a retrained model
        and a probe. If the whole model was trained from scratch, the retrained model is better. If
        its early layers were trained on more than these images, the probe is.
        """
        suspects = torch.cat([backdoor.flagged for backdoor in backdoors])
        hidden = ~agreed
        hidden[suspects] = True
        log_probs = torch.full((len(hidden), case.images.class_count), torch.nan)
        if calculator.witness is not None:
            probabilities = calculator.witness.probabilities(suspects, ~hidden)
            log_probs[suspects] = -torch.inf
            log_probs[suspects, : probabilities.shape[1]] = probabilities.clamp_min(1e-9).log()
            return log_probs
        if has_resettable_layers(case.model):
            log_probs = self.retraining.run(case, hidden, generator, progress, executor)
        probe = calculator.probes["activations"]
        for backdoor in backdoors:
            rows = calculator.rows[backdoor.label]
            rest = rows[~torch.isin(rows, suspects)]
            probabilities = probe.held_out_probabilities(backdoor.label, backdoor.flagged, rest)
            padded = torch.zeros(len(probabilities), log_probs.shape[1])
            padded[:, : probabilities.shape[1]] = probabilities
            retrained = log_probs[backdoor.flagged].exp()
            mean = torch.where(retrained.isnan(), padded, (retrained + padded) / 2)
            log_probs[backdoor.flagged] = mean.clamp_min(1e-9).log()
        return log_probs

    def _search_boundary(
        self, case: Case, searched: Flags, progress: Progress, executor: Executor
    ) -> BoundaryResult:
        """Search the boundary of the flagged images; the result has no distance for the others."""
        rows = searched.nonzero().flatten()
        result = executor.search_boundary(
            case.model,
            copy_rows(case.images.pixels, rows),
            BoundarySearch("2", self.budget, self.batch_size, directions=False, features=False),
            predictions=case.images.labels[rows],  # only agreed images are searched
            progress=progress,
        )
        return result.scattered(rows, len(searched))


def _evidence(backdoors: Sequence[DetectedBackdoor], count: int, verdict: Verdict) -> Evidence:
    """Membership in a poisoned group, scaled below one half for classes that are not convicted.

    Args:
        count: number of images.
    """
    score = torch.zeros(count)
    for backdoor in backdoors:
        weight = 1.0 if backdoor.label in verdict.convicted else 0.49
        score[backdoor.rows] = torch.maximum(score[backdoor.rows], backdoor.member * weight)
    return Evidence(score, score > 0.5)


def _draw_subgroups(subgroups: Tensor, count: int, generator: torch.Generator) -> Index:
    """Rows of at most `count` random subgroups.

    With hundreds of classes, a sample of all would have one image of most subgroups, which says
    nothing about how they vary.

    Args:
        subgroups: see `number_subgroups`.
    """
    numbers = subgroups[subgroups >= 0].bincount().nonzero().flatten()
    if len(numbers) > count:
        numbers = numbers[torch.randperm(len(numbers), generator=generator)[:count]]
    return torch.isin(subgroups, numbers).nonzero().flatten()


def _draw_from_each(
    rows: Mapping[int, Tensor], per_class: int, count: int, generator: torch.Generator
) -> Flags:
    """Flags of at most `per_class` random images of each class, among `count` images."""
    chosen = torch.zeros(count, dtype=torch.bool)
    for index in rows.values():
        chosen[sample_rows(index, per_class, generator)] = True
    return chosen


def _too_few_classes(rows: Mapping[int, Tensor], labels: Tensor, least: int) -> str:
    """Why too few classes could be examined; empty if there were enough."""
    classes = len(set(labels.tolist()))
    if 2 * len(rows) >= classes:
        return ""
    return (
        f"only {len(rows)} of {classes} classes have {least} images or more that the model calls "
        "by their label: give more images"
    )

"""Running one cell: a method runs on a victim, and its result is evaluated."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..attacks.victim_folder import read_victim
from ..data.sampling import stratified_sample
from ..interfaces import Defense, Detector, Inputs, Oracle
from ..metrics import DetectionScores, der, evaluate_model, score_detection
from ..models.inference import best_device
from ..results import Phase, Repaired, Scores, Unlearned
from ..runs import Record, Stopwatch, new_record
from ..types import Case, EvaluationSet, LabeledImages, Progress, State, Truth
from .peak_memory import peak_mebibytes, reset_peak
from .plan import Cell
from .reactivation import Reactivated
from .victims import (
    CleanModelScores,
    dataset_source,
    ensure_victim,
    load_skipped_images,
    score_clean_model,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a repair, as a record stores it.

    Attributes:
        before: scores of the victim's model.
        after: scores of the repaired model.
        clean: scores of a model trained on clean images; None if the study has none.
        der: defense effectiveness rating.
        found: how well the suspects match the poison; None if the defense looks for no poison.
        verdict: state of the verdict; None if the defense reaches none.
        target_labels: target classes of the verdict.
        p_value: p-value of the verdict; NaN without one.
        history: phases of the repair.
        aimed_at: labels that the poison has.
        reactivation: scores after fine-tuning on a few triggered images; None if not tested.
    """

    before: Scores
    after: Scores
    clean: Scores | None
    der: float
    found: DetectionScores | None
    verdict: str | None
    target_labels: tuple[int, ...]
    p_value: float
    history: tuple[Phase, ...]
    aimed_at: tuple[int, ...]
    reactivation: Reactivated | None = None


@dataclass(frozen=True, slots=True)
class LoadedVictim:
    """A victim with what a method must not see.

    Attributes:
        record: the record of its making.
        case: what a method may see.
        truth: which images are poison.
        evaluation_set: its test images.
        clean_model: scores of the clean model; None for detectors, or if the study has none.
        reserve: clean images that no victim was trained on; None if holdouts are training images.
    """

    record: Record
    case: Case
    truth: Truth
    evaluation_set: EvaluationSet
    clean_model: CleanModelScores | None
    reserve: LabeledImages | None

    @property
    def scores(self) -> Scores:
        """The scores of the victim's model, from its record."""
        scores: Mapping[str, float | None] = self.record.metrics["attacked"]["scores"]
        values = (scores[name] for name in ("acc", "asr", "ra"))
        return Scores(*(math.nan if value is None else value for value in values))


def run_cell(cell: Cell, data: Path, victims: Path, progress: Progress) -> Record:
    """Run a cell and return its record.

    The metrics of the record are an `Outcome` for a defense. For a detector they are `detected`
    and the `Scores` of the victim's model. If the study makes victims only, they are
    `VictimScores`.

    Args:
        data: the folder that contains the study's data set.
        victims: the folder of victims. The cell's victim is made there if it is missing.
    """
    folder, watch = victims / cell.victim_name, Stopwatch()
    victim_record = ensure_victim(cell, data, folder, progress)
    if not cell.study.defend:
        return replace(victim_record, command="bench", arguments=cell.arguments())
    # may train the clean model, whose time and memory are not this cell's
    clean_model = _score_clean_model(cell, data, folder, progress)
    reset_peak()
    with watch("read"):
        victim = _load_victim(cell, data, folder, victim_record, clean_model, progress)
    method = cell.study.build_method(cell.method)
    if isinstance(method, Detector):
        detected = _examine(cell, method, victim, watch, progress)
        metrics: dict[str, object] = {"detected": detected, "before": victim.scores}
    elif isinstance(method, Oracle):
        metrics = {"outcome": _choose(cell, method, victim, watch, progress)}
    else:
        metrics = {"outcome": _repair(cell, method, victim, watch, progress)}
    seconds = {"victim": victim_record.seconds["victim"], **watch.seconds}
    device = str(best_device())
    record = new_record("bench", cell.arguments(), cell.seed, seconds, metrics, device)
    return replace(record, memory=peak_mebibytes())


def case_for_method(
    case: Case,
    truth: Truth,
    inputs: Inputs,
    generator: torch.Generator,
    reserve: LabeledImages | None = None,
) -> Case:
    """Reduce a case to what a method asks for.

    The holdout keeps the class frequencies of its source. The source is `reserve`, clean images
    that no victim was trained on. Without it, the source is the untouched training images, as in
    BackdoorBench.

    Args:
        generator: draws the holdout. With the same seed every method of a victim gets the same.
    """
    untouched = (truth.state == State.CLEAN).nonzero().flatten()
    images = {
        "poisoned": case.images,
        "clean": case.images.take(untouched),
        "none": case.images.take(untouched[:0]),
    }[inputs.training]
    if not inputs.holdout:
        return Case(case.model, images)
    count = max(1, round(inputs.holdout * len(case.images)))
    source = case.images.take(untouched) if reserve is None else reserve
    rows = stratified_sample(source.labels, count, generator)
    return Case(case.model, images, source.take(rows).on(case.images.pixels.device))


def _score_clean_model(
    cell: Cell, data: Path, folder: Path, progress: Progress
) -> CleanModelScores | None:
    """Scores of the clean model; None for a detector, or if the study has no clean models."""
    clean_cell = cell.clean_cell
    if clean_cell is None or cell.kind == "detector":
        return None
    clean_folder = folder.parent / clean_cell.victim_name
    ensure_victim(clean_cell, data, clean_folder, progress)
    return score_clean_model(folder, clean_folder)


def _load_victim(
    cell: Cell,
    data: Path,
    folder: Path,
    record: Record,
    clean_model: CleanModelScores | None,
    progress: Progress,
) -> LoadedVictim:
    study, reserve = cell.study, None
    if study.fresh_holdout and cell.inputs.holdout:
        reserve = load_skipped_images(dataset_source(study, data), study.skip)
    case, truth, evaluation_set = read_victim(folder, best_device(), progress)
    return LoadedVictim(record, case, truth, evaluation_set, clean_model, reserve)


def _examine(
    cell: Cell, method: Detector, victim: LoadedVictim, watch: Stopwatch, progress: Progress
) -> DetectionScores:
    """Run a detector and compare its evidence with the truth."""
    case = _method_case(cell, victim)
    with watch("examine"):
        evidence = method.examine(case, torch.Generator().manual_seed(cell.seed), progress)
    return score_detection(evidence, None, victim.truth)


def _repair(
    cell: Cell, method: Defense, victim: LoadedVictim, watch: Stopwatch, progress: Progress
) -> Outcome:
    """Run a defense and evaluate the repaired model."""
    case = _method_case(cell, victim)
    with watch("repair"):
        repaired = method.repair(case, torch.Generator().manual_seed(cell.seed), progress)
    with watch("test"):
        after = evaluate_model(repaired.model, victim.evaluation_set, progress)
    outcome = _outcome(victim, repaired, after)
    if not cell.is_reactivated:
        return outcome
    with watch("reactivate"):
        return replace(outcome, reactivation=_reactivate(cell, repaired, victim, progress))


def _reactivate(
    cell: Cell, repaired: Repaired, victim: LoadedVictim, progress: Progress
) -> Reactivated:
    """Fine-tune the repaired model on triggered images, the same for all methods of a victim."""
    untouched = (victim.truth.state == State.CLEAN).nonzero().flatten()
    return cell.study.reactivation.test(
        repaired.model,
        victim.case.images.take(untouched),
        victim.evaluation_set,
        torch.Generator().manual_seed(cell.seed),
        progress,
    )


def _choose(
    cell: Cell, oracle: Oracle, victim: LoadedVictim, watch: Stopwatch, progress: Progress
) -> Outcome:
    """Evaluate the candidates of an oracle, and keep the one that it prefers by their scores."""
    case, kept = _method_case(cell, victim), victim.case.model
    with watch("test"):
        best = given = evaluate_model(kept, victim.evaluation_set, progress)
    with watch("repair"):
        generator = torch.Generator().manual_seed(cell.seed)
        for model in oracle.candidates(case, generator, progress):
            scores = evaluate_model(model, victim.evaluation_set, progress)
            if oracle.prefers(given, best, scores):
                kept, best = model, scores
    return _outcome(victim, Repaired(model=kept), best)


def _outcome(victim: LoadedVictim, repaired: Repaired, after: Scores) -> Outcome:
    clean_model = victim.clean_model
    verdict = repaired.verdict if isinstance(repaired, Unlearned) else None
    easy = clean_model.easy if clean_model else None
    evidence = repaired.evidence
    return Outcome(
        before=victim.scores,
        after=after,
        clean=clean_model.scores if clean_model else None,
        der=der(victim.scores, after),
        found=score_detection(evidence, repaired.suspects, victim.truth, easy)
        if evidence
        else None,
        verdict=verdict.state if verdict else None,
        target_labels=verdict.target_labels if verdict else (),
        p_value=verdict.p_value if verdict else math.nan,
        history=repaired.history,
        aimed_at=tuple(sorted(set(victim.case.images.labels[victim.truth.poison].tolist()))),
    )


def _method_case(cell: Cell, victim: LoadedVictim) -> Case:
    """What the cell's method sees. Every method of a victim gets the same holdout."""
    generator = torch.Generator().manual_seed(cell.seed)
    return case_for_method(victim.case, victim.truth, cell.inputs, generator, victim.reserve)

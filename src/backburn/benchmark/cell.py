"""Running one cell: a victim is handed to a method, and what comes of it is judged."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..attacks.victim_folder import read_victim
from ..interfaces import Defense, Detector
from ..metrics import Found, Scores, der, judge, match
from ..models.inference import best_device
from ..runs import Record, Stopwatch, new_record
from ..types import Case, Exam, LabeledImages, Phase, Progress, Repaired, Truth, Unlearned
from .method_inputs import handed
from .peak_memory import forget_peak, peak_mebibytes
from .plan import Cell
from .victims import Reference, left_out, made_once, reference_of, source_of


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a repair; `clean` is how a model does that was trained on clean images.

    `found` is None for a defence that looks for no poison, the verdict for one that reaches none;
    `aimed_at` are the labels that poison has.
    """

    before: Scores
    after: Scores
    clean: Scores | None
    der: float
    found: Found | None
    verdict: str | None
    target_labels: tuple[int, ...]
    p_value: float
    history: tuple[Phase, ...]
    aimed_at: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bench:
    """A victim as the referee has it."""

    made: Record
    case: Case
    truth: Truth
    exam: Exam
    reference: Reference | None
    reserve: LabeledImages | None

    @property
    def before(self) -> Scores:
        """How the victim does, as it was judged when it was made."""
        scores: Mapping[str, float | None] = self.made.metrics["attacked"]["scores"]
        values = (scores[name] for name in ("acc", "asr", "ra"))
        return Scores(*(math.nan if value is None else value for value in values))


def run_cell(cell: Cell, data: Path, victims: Path, progress: Progress) -> Record:
    """The record of a finished cell.

    Its metrics are an `Outcome`, what a detector `detected` (`Found`) and the `Scores` of the model
    before, or `Attacked` where the study stops at its victims.

    Args:
        data: the folder that the study's data set lies in.
        victims: the victim is read from `victims/NAME`, and made there first where it is missing.
    """
    folder, watch = victims / cell.victim_name, Stopwatch()
    made = made_once(cell, data, folder, progress)
    if not cell.study.defend:
        return replace(made, command="bench", arguments=cell.arguments())
    reference = _reference(cell, data, folder, progress)  # perhaps trained here: not this cell's
    forget_peak()
    with watch("read"):
        bench = _bench(cell, data, folder, made, reference, progress)
    method = cell.study.compared(cell.method)
    if isinstance(method, Detector):
        found = _examined(cell, method, bench, watch, progress)
        metrics: dict[str, object] = {"detected": found, "before": bench.before}
    else:
        metrics = {"outcome": _repaired(cell, method, bench, watch, progress)}
    seconds = {"victim": made.seconds["victim"], **watch.seconds}
    device = str(best_device())
    record = new_record("bench", cell.arguments(), cell.seed, seconds, metrics, device)
    return replace(record, memory=peak_mebibytes())


def _reference(cell: Cell, data: Path, folder: Path, progress: Progress) -> Reference | None:
    """What a defence is compared with; None for a detector, or without clean models."""
    twin = cell.reference
    if twin is None or cell.kind == "detector":
        return None
    clean = folder.parent / twin.victim_name
    made_once(twin, data, clean, progress)
    return reference_of(folder, clean)


def _bench(
    cell: Cell,
    data: Path,
    folder: Path,
    made: Record,
    reference: Reference | None,
    progress: Progress,
) -> Bench:
    study, reserve = cell.study, None
    if study.fresh_holdout and cell.given.holdout:
        reserve = left_out(source_of(study, data), study.skip)
    return Bench(made, *read_victim(folder, best_device(), progress), reference, reserve)


def _examined(
    cell: Cell, method: Detector, bench: Bench, watch: Stopwatch, progress: Progress
) -> Found:
    """What a detector finds, held against the truth."""
    shown = _handed(cell, bench)
    with watch("examine"):
        evidence = method.examine(shown, torch.Generator().manual_seed(cell.seed), progress)
    return match(evidence, None, bench.truth)


def _repaired(
    cell: Cell, method: Defense, bench: Bench, watch: Stopwatch, progress: Progress
) -> Outcome:
    """What a defence makes of the model, judged."""
    shown = _handed(cell, bench)
    with watch("repair"):
        repaired = method.repair(shown, torch.Generator().manual_seed(cell.seed), progress)
    with watch("test"):
        return _outcome(bench, repaired, judge(repaired.model, bench.exam, progress))


def _outcome(bench: Bench, repaired: Repaired, after: Scores) -> Outcome:
    reference = bench.reference
    verdict = repaired.verdict if isinstance(repaired, Unlearned) else None
    easy = reference.easy if reference else None
    evidence = repaired.evidence
    return Outcome(
        before=bench.before,
        after=after,
        clean=reference.scores if reference else None,
        der=der(bench.before, after),
        found=match(evidence, repaired.suspects, bench.truth, easy) if evidence else None,
        verdict=verdict.state if verdict else None,
        target_labels=verdict.target_labels if verdict else (),
        p_value=verdict.p_value if verdict else math.nan,
        history=repaired.history,
        aimed_at=tuple(sorted(set(bench.case.images.labels[bench.truth.poison].tolist()))),
    )


def _handed(cell: Cell, bench: Bench) -> Case:
    """The same holdout for every method of a victim."""
    generator = torch.Generator().manual_seed(cell.seed)
    return handed(bench.case, bench.truth, cell.given, generator, bench.reserve)

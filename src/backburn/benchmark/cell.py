"""Running one cell: make the victim, repair it, judge both."""

from dataclasses import dataclass
from pathlib import Path

import torch

from ..attacks.base import exam_of
from ..catalogue import attack_named
from ..data.reading import load_images
from ..metrics import Found, Scores, judge, match
from ..runs import Record, Stopwatch, new_record
from ..types import LabeledImages, Phase, Progress, Repaired, Victim
from .study import Cell


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cell found out."""

    before: Scores
    after: Scores
    found: Found
    verdict: str
    target_labels: tuple[int, ...]
    p_value: float
    history: tuple[Phase, ...]


def run_cell(cell: Cell, data: Path, progress: Progress) -> Record:
    """The record of a finished cell; its metrics are an `Outcome`."""
    study, watch = cell.study, Stopwatch()
    with watch("read"):
        source = "digits" if study.dataset == "digits" else data / study.dataset
        images = load_images(source, limit=study.train or None, progress=progress)
        test = load_images(source, split="test", progress=progress)
    generator = torch.Generator().manual_seed(cell.seed)
    with watch("victim"):
        victim = _victim(cell, images, generator, progress)
    with watch("repair"):
        repaired = study.burn.repair(victim.case(), generator, progress)
    with watch("test"):
        outcome = _judge(victim, repaired, test, progress)
    arguments = {"cell": cell.name, "attack": cell.attack, "rate": cell.rate, "study": study}
    return new_record("bench", arguments, cell.seed, watch.seconds, {"outcome": outcome}, "cpu")


def _victim(
    cell: Cell, images: LabeledImages, generator: torch.Generator, progress: Progress
) -> Victim:
    kind = attack_named(cell.attack)
    rate = {"poisoning_rate": cell.rate} if cell.rate else {}
    attack = kind(target_label=cell.study.target_label, **rate)
    return attack.mount(images, cell.study.recipe, generator, progress)


def _judge(victim: Victim, repaired: Repaired, test: LabeledImages, progress: Progress) -> Outcome:
    exam = exam_of(victim, test)
    return Outcome(
        before=judge(victim.model, exam, progress),
        after=judge(repaired.model, exam, progress),
        found=match(repaired.evidence, repaired.suspects, victim.truth),
        verdict=repaired.verdict.state,
        target_labels=repaired.verdict.target_labels,
        p_value=repaired.verdict.p_value,
        history=repaired.history,
    )

"""Running one cell: make the victim, repair it, judge both."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from filelock import FileLock

from ..attacks.base import exam_of
from ..attacks.folder import MODEL, dump_victim, read_victim
from ..attacks.surrogates import Surrogates
from ..data.reading import load_images
from ..errors import InputError
from ..metrics import Found, Scores, Stealth, der, judge, match, stealth
from ..models.inference import best_device, predict
from ..models.loading import load_model
from ..runs import Record, Stopwatch, new_record, read_record, write_run
from ..types import Phase, Progress
from .study import Cell

SHOWN = 1000
"""Test images that PSNR and SSIM are measured on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a cell found out; `clean` is how a model does that was trained on clean images."""

    before: Scores
    after: Scores
    clean: Scores | None
    der: float
    found: Found
    verdict: str
    target_labels: tuple[int, ...]
    p_value: float
    history: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class Attacked:
    """What a victim is like before anybody repairs it."""

    scores: Scores
    stealth: Stealth


def run_cell(cell: Cell, data: Path, victims: Path, progress: Progress) -> Record:
    """The record of a finished cell; its metrics are an `Outcome`, or an `Attacked`.

    Args:
        data: the folder that the study's data set lies in.
        victims: the victim is read from `victims/NAME`, and made there first where it is missing.
    """
    folder = victims / cell.victim_name
    made = made_once(cell, data, folder, progress)
    if not cell.study.defend:
        return replace(made, command="bench", arguments=cell.arguments())
    twin = cell.reference
    reference = victims / twin.victim_name if twin else None
    if twin and reference:
        made_once(twin, data, reference, progress)
    return _defended(cell, folder, made, reference, progress)


def made_once(cell: Cell, data: Path, folder: Path, progress: Progress) -> Record:
    """The record of a cell's victim, which is made where it is missing, by one process only.

    Raises:
        InputError: a victim that was made with other settings.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if not folder.exists():
            make_victim(cell, data, folder, best_device(), progress)
    made = read_record(folder)
    if made.arguments != cell.victim_arguments():
        raise InputError(f"{folder} was made with other settings: give another --out or --victims")
    return made


def _defended(
    cell: Cell, folder: Path, made: Record, reference: Path | None, progress: Progress
) -> Record:
    """The victim in `folder`, repaired and judged, beside the clean model in `reference`."""
    watch, device = Stopwatch(), best_device()
    with watch("read"):
        case, truth, exam = read_victim(folder, device, progress)
    with watch("repair"):
        generator = torch.Generator().manual_seed(cell.seed)
        repaired = cell.study.defense(cell.method).repair(case, generator, progress)
    with watch("test"):
        before, after = judge(case.model, exam, progress), judge(repaired.model, exam, progress)
        clean = load_model(reference / MODEL).to(device) if reference else None
        easy = predict(clean, case.images.pixels).argmax(1) == truth.labels if clean else None
        outcome = Outcome(
            before=before,
            after=after,
            clean=judge(clean, exam, progress) if clean else None,
            der=der(before, after),
            found=match(repaired.evidence, repaired.suspects, truth, easy),
            verdict=repaired.verdict.state,
            target_labels=repaired.verdict.target_labels,
            p_value=repaired.verdict.p_value,
            history=repaired.history,
        )
    seconds = {"victim": made.seconds["victim"], **watch.seconds}
    return new_record(
        "bench", cell.arguments(), cell.seed, seconds, {"outcome": outcome}, str(device)
    )


def make_victim(
    cell: Cell, data: Path, folder: Path, device: torch.device, progress: Progress
) -> None:
    """Poison, train, judge, and write the victim's folder."""
    study, watch, attack = cell.study, Stopwatch(), cell.mounted()
    source = "digits" if study.dataset == "digits" else data / study.dataset
    limit = study.skip + study.train if study.train else None
    images = load_images(source, limit=limit, progress=progress)
    images = images.take(torch.arange(study.skip, len(images)))
    test = load_images(source, split="test", progress=progress)
    surrogates = Surrogates(folder.parent.parent / "surrogates", progress)
    with watch("victim"):
        generator = torch.Generator().manual_seed(cell.seed)
        victim = attack.mount(images.on(device), cell.recipe, generator, progress, surrogates)
    with watch("test"):
        exam = exam_of(victim, test)
        shown = test.pixels[:SHOWN]
        seen = Attacked(judge(victim.model, exam, progress), stealth(shown, victim.trigger(shown)))
    metrics = {"attacked": seen}
    record = new_record(
        "attack", cell.victim_arguments(), cell.seed, watch.seconds, metrics, str(device)
    )
    write_run(folder, record, dump_victim(victim, exam))

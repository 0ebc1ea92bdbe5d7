"""Victims of a study: made once, shared by the methods that are tried on them."""

import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from ..attacks.base import exam_of
from ..attacks.surrogates import Surrogates
from ..attacks.victim_folder import MODEL, dump_victim, read_victim
from ..data.digest import digest
from ..data.load_images import load_images
from ..errors import InputError
from ..executor.resumable import Kept
from ..metrics import Scores, Stealth, judge, stealth
from ..models.inference import best_device, predict
from ..models.open.load_model import load_model
from ..runs import Record, Stopwatch, claimed, new_record, read_record, to_json, work_of, write_run
from ..types import Flags, LabeledImages, Progress
from .elapsed_time import Lasting
from .plan import Cell
from .study import Study

SHOWN = 1000
"""Test images that PSNR and SSIM are measured on."""


@dataclass(frozen=True, slots=True)
class Attacked:
    """What a victim is like before anybody repairs it."""

    scores: Scores
    stealth: Stealth


@dataclass(frozen=True, slots=True)
class Reference:
    """What a model that was trained on clean images makes of a victim's.

    `scores` on the victim's test images; `easy`: the training images that it calls by their true
    label.
    """

    scores: Scores
    easy: Flags


def made_once(cell: Cell, data: Path, folder: Path, progress: Progress) -> Record:
    """The record of a cell's victim, which is made where it is missing, by one process only.

    Raises:
        InputError: a victim that was made with other settings.
    """
    with claimed(folder.with_name(f".{folder.name}.claim"), str(folder), wait=True):
        if not folder.exists():
            make_victim(cell, data, folder, best_device(), progress)
    made = read_record(folder)
    if made.arguments != cell.victim_arguments():
        raise InputError(f"{folder} was made with other settings: give another --out or --victims")
    return made


def make_victim(
    cell: Cell, data: Path, folder: Path, device: torch.device, progress: Progress
) -> None:
    """Poison, train, judge, and write the victim's folder."""
    study, watch, attack = cell.study, Stopwatch(), cell.mounted()
    source = source_of(study, data)
    limit = study.skip + study.train if study.train else None
    images = load_images(source, limit=limit, progress=progress)
    images = images.take(torch.arange(study.skip, len(images)))
    test = load_images(source, split="test", progress=progress)
    work = Kept(work_of(folder) / digest(to_json(cell.victim_arguments()))[:32])
    lasting = Lasting(work.folder / "seconds", progress)
    surrogates = Surrogates(folder.parent.parent / "surrogates", lasting, work)
    with watch("victim"):
        given = (torch.Generator().manual_seed(cell.seed), lasting, surrogates, work)
        victim = attack.mount(images.on(device), cell.recipe, *given)
    watch.seconds["victim"] += lasting.earlier
    with watch("test"):
        exam = exam_of(victim, test)
        shown = test.pixels[:SHOWN]
        seen = Attacked(judge(victim.model, exam, progress), stealth(shown, victim.trigger(shown)))
    metrics = {"attacked": seen}
    record = new_record(
        "attack", cell.victim_arguments(), cell.seed, watch.seconds, metrics, str(device)
    )
    write_run(folder, record, dump_victim(victim, exam))
    shutil.rmtree(work_of(folder), ignore_errors=True)


def source_of(study: Study, data: Path) -> str | Path:
    """Where a study's images are."""
    return "digits" if study.dataset == "digits" else data / study.dataset


@lru_cache(maxsize=1)
def left_out(source: str | Path, count: int) -> LabeledImages:
    """The first images of a data set, which a study has left out; remembered by a process."""
    return load_images(source, limit=count)


@lru_cache(maxsize=256)
def reference_of(folder: Path, clean: Path) -> Reference:
    """What the clean model in `clean` makes of the victim in `folder`; remembered by a process."""
    device = best_device()
    case, truth, exam = read_victim(folder, device)
    model = load_model(clean / MODEL).to(device)
    easy = predict(model, case.images.pixels).argmax(1) == truth.labels
    return Reference(judge(model, exam), easy)

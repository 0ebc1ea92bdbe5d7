"""The victims of a study: made once, and shared by its methods."""

import shutil
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch

from ..attacks.base import make_evaluation_set
from ..attacks.surrogates import Surrogates
from ..attacks.victim_folder import MODEL, dump_victim, read_victim
from ..data.load_images import load_images
from ..data.tensor_digest import digest
from ..errors import InputError
from ..executor.resumable import ResumableExecutor
from ..metrics import Stealth, evaluate_model, stealth
from ..models.inference import best_device, predict
from ..models.open.open_model import load_model
from ..results import Scores
from ..runs import (
    Record,
    Stopwatch,
    locked,
    new_record,
    read_record,
    to_json,
    work_folder,
    write_atomic,
    write_run,
)
from ..types import Flags, LabeledImages, Progress
from .plan import Cell
from .study_file import Study

STEALTH_IMAGES = 1000
"""Number of test images that PSNR and SSIM are measured on."""
WRITE_INTERVAL = 10.0
"""Least number of seconds between two writes of the elapsed time."""


@dataclass(frozen=True, slots=True)
class VictimScores:
    """The scores of a victim's model, and how visible its trigger is."""

    scores: Scores
    stealth: Stealth


@dataclass(frozen=True, slots=True)
class CleanModelScores:
    """A clean model evaluated on a victim.

    Attributes:
        scores: on the victim's test images.
        easy: the training images that it classifies correctly.
    """

    scores: Scores
    easy: Flags


@dataclass(slots=True)
class ElapsedTime:
    """A `Progress` that writes to a file how long work has taken, over all of its runs.

    Work after the last checkpoint is repeated when the run is resumed, and counts twice.

    Attributes:
        path: the file.
        progress: also called with every event.
        earlier: seconds of earlier runs; 0 in the first.
    """

    path: Path
    progress: Progress
    earlier: float = field(init=False)
    start: float = field(init=False)
    next_write: float = field(init=False)

    def __post_init__(self) -> None:
        self.earlier = float(self.path.read_text()) if self.path.exists() else 0.0
        self.start = time.monotonic()
        self.next_write = self.start + WRITE_INTERVAL

    def __call__(self, phase: str, done: int, total: int, /) -> None:
        self.progress(phase, done, total)
        now = time.monotonic()
        if now >= self.next_write:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, str(self.earlier + now - self.start).encode())
            self.next_write = now + WRITE_INTERVAL


def ensure_victim(cell: Cell, data: Path, folder: Path, progress: Progress) -> Record:
    """Make the cell's victim if it is missing, and return its record.

    A lock makes other processes wait for the one that makes it.

    Raises:
        InputError: the victim was made with other settings.
    """
    with locked(folder.with_name(f".{folder.name}.claim"), str(folder), wait=True):
        if not folder.exists():
            make_victim(cell, data, folder, best_device(), progress)
    record = read_record(folder)
    if record.arguments != cell.victim_arguments():
        raise InputError(f"{folder} was made with other settings: give another --out or --victims")
    return record


def make_victim(
    cell: Cell, data: Path, folder: Path, device: torch.device, progress: Progress
) -> None:
    """Poison the images, train and evaluate a model, and write the victim's folder."""
    study, watch, attack = cell.study, Stopwatch(), cell.build_attack()
    source = dataset_source(study, data)
    limit = study.skip + study.train if study.train else None
    images = load_images(source, limit=limit, progress=progress)
    images = images.take(torch.arange(study.skip, len(images)))
    test = load_images(source, split="test", progress=progress)
    executor = ResumableExecutor(
        work_folder(folder) / digest(to_json(cell.victim_arguments()))[:32]
    )
    elapsed = ElapsedTime(executor.folder / "seconds", progress)
    surrogates = Surrogates(folder.parent.parent / "surrogates", elapsed, executor)
    with watch("victim"):
        victim = attack.train_victim(
            images.on(device),
            cell.recipe,
            torch.Generator().manual_seed(cell.seed),
            elapsed,
            surrogates,
            executor,
        )
    watch.seconds["victim"] += elapsed.earlier
    with watch("test"):
        evaluation_set = make_evaluation_set(victim, test)
        pixels = test.pixels[:STEALTH_IMAGES]
        scores = VictimScores(
            evaluate_model(victim.model, evaluation_set, progress),
            stealth(pixels, victim.trigger(pixels)),
        )
    metrics = {"attacked": scores}
    record = new_record(
        "attack", cell.victim_arguments(), cell.seed, watch.seconds, metrics, str(device)
    )
    write_run(folder, record, dump_victim(victim, evaluation_set))
    shutil.rmtree(work_folder(folder), ignore_errors=True)


def dataset_source(study: Study, data: Path) -> str | Path:
    """The source of a study's images: a folder, or `digits`."""
    return "digits" if study.dataset == "digits" else data / study.dataset


@lru_cache(maxsize=1)
def load_skipped_images(source: str | Path, count: int) -> LabeledImages:
    """The first images of a data set, which a study skips. Cached within a process."""
    return load_images(source, limit=count)


@lru_cache(maxsize=256)
def score_clean_model(folder: Path, clean: Path) -> CleanModelScores:
    """Evaluate the clean model in folder `clean` on the victim in `folder`.

    Cached within a process.
    """
    device = best_device()
    case, truth, evaluation_set = read_victim(folder, device)
    model = load_model(clean / MODEL).to(device)
    easy = predict(model, case.images.pixels).argmax(1) == truth.labels
    return CleanModelScores(evaluate_model(model, evaluation_set), easy)

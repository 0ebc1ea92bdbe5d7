"""A victim as a folder: what a stranger would have, and the truth sealed in files of its own."""

import io
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ..data.load_images import has_split, load_images
from ..data.writing import dump_parquet, dump_tree
from ..errors import InputError
from ..models.classifier import Classifier
from ..models.open.load_model import dump_model, load_model
from ..types import Case, Exam, Progress, Truth, Victim, silent
from .trigger_figure import strip_of

MODEL, IMAGES = "model.safetensors", "train.parquet"
TRUTH, TEST, TRIGGERED = "truth.parquet", "test.parquet", "triggered.parquet"
Layout: TypeAlias = Literal["parquet", "folder"]


def dump_victim(
    victim: Victim, exam: Exam, progress: Progress = silent, layout: Layout = "parquet"
) -> dict[str, bytes]:
    """The files of a victim's folder.

    `model.safetensors` and the training images are the case: `train.parquet`, or with the layout
    `folder` one folder of PNG files a class in `train/`. The referee keeps `truth.parquet`
    (state and true label of each training image, in the order that `load_images` reads them),
    `test.parquet` (clean) and, where there is a trigger, `triggered.parquet` (true labels),
    `wanted.parquet` (what the attacker wants said) and `strip.png`.
    Raises:
        InputError: a network that is not built in, or classes that folders cannot tell.
    """
    if not isinstance(victim.model, Classifier):
        raise InputError("only a built-in network can be written as a victim")
    images, state, labels = victim.images, victim.truth.state, victim.truth.labels
    if layout == "folder":
        order = images.labels.argsort(stable=True)
        images, state, labels = images.take(order), state[order], labels[order]
        train = dump_tree(images, "train", progress)
    else:
        train = {IMAGES: dump_parquet(images, progress)}
    files = {
        MODEL: dump_model(victim.model),
        **train,
        TRUTH: _columns(state=state.numpy(), label=labels.numpy()),
        TEST: dump_parquet(exam.clean, progress),
    }
    if len(exam.triggered):
        files[TRIGGERED] = dump_parquet(exam.triggered, progress)
        files["wanted.parquet"] = _columns(label=exam.wanted.numpy())
        files["strip.png"] = strip_of(victim, exam.clean)
    return files


def is_victim(path: Path) -> bool:
    """Whether a folder holds a case that `dump_victim` wrote."""
    return (path / MODEL).is_file() and has_split(path, "train")


def read_case(path: Path, device: torch.device, progress: Progress = silent) -> Case:
    """The model and the training images of a victim's folder: what a defender may see."""
    images = load_images(path, progress=progress)
    return Case(load_model(path / MODEL).to(device), images.on(device))


def read_victim(
    path: Path, device: torch.device, progress: Progress = silent
) -> tuple[Case, Truth, Exam]:
    """The case of a victim's folder, and what the referee knows of it.

    Raises:
        InputError: files that are missing, cannot be read, or do not belong together.
    """
    case, known = read_case(path, device, progress), read_truth(path)
    if known is None:
        raise InputError(f"{path} has no {TRUTH} and {TEST}: make the victim again")
    if len(known[0].labels) != len(case.images):
        raise InputError(
            f"{path} is mixed up: {len(case.images)} images, truth about {len(known[0].labels)}; "
            "make the victim again"
        )
    return case, *known


def read_truth(path: Path) -> tuple[Truth, Exam] | None:
    """What the referee knows of a victim's folder; None where the truth was taken away."""
    if not (path / TRUTH).is_file() or not (path / TEST).is_file():
        return None
    table = _read(path / TRUTH, ("state", "label"))
    truth = Truth(table["state"].to(torch.int8), table["label"])
    clean = load_images(path / TEST)
    if not (path / TRIGGERED).is_file():
        nothing = clean.take(torch.arange(0))
        return truth, Exam(clean, nothing, nothing.labels)
    wanted = _read(path / "wanted.parquet", ("label",))["label"]
    # of two classes one is the target, and the other one all that is triggered
    triggered = load_images(path / TRIGGERED, fewest_classes=1)
    if len(wanted) != len(triggered):
        raise InputError(
            f"{path} is mixed up: {len(triggered)} triggered images, {len(wanted)} wanted labels; "
            "make the victim again"
        )
    return truth, Exam(clean, triggered, wanted)


def _columns(**columns: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _read(path: Path, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    try:
        table = pq.read_table(path, columns=list(names))
        return {name: torch.tensor(table[name].to_pylist(), dtype=torch.int64) for name in names}
    except (pa.ArrowException, KeyError, ValueError, TypeError, OSError) as error:
        raise InputError(f"{path} cannot be read as the truth about a victim: {error}") from error

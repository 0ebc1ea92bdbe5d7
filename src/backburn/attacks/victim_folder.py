"""Reading and writing a victim as a folder: the attacked case, and its ground truth."""

import io
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from ..data.load_images import has_split, load_images
from ..data.writing import dump_folder, dump_parquet
from ..errors import InputError
from ..models.nets.base import Classifier
from ..models.open.open_model import load_model
from ..models.save_model import dump_model
from ..types import Case, EvaluationSet, LabeledImages, Pixels, Progress, Truth, Victim, no_progress

MODEL, IMAGES = "model.safetensors", "train.parquet"
TRUTH, TEST, TRIGGERED = "truth.parquet", "test.parquet", "triggered.parquet"
WANTED, STRIP = "wanted.parquet", "strip.png"
Layout: TypeAlias = Literal["parquet", "folder"]

STRIP_IMAGES, STRIP_SIDE, STRIP_GAP = 8, 96, 4
"""Images per row of the strip; smallest side of an image and gap between images, in pixels."""
STRIP_GAIN = 8
"""Factor by which the difference is amplified."""


def dump_victim(
    victim: Victim,
    evaluation: EvaluationSet,
    progress: Progress = no_progress,
    layout: Layout = "parquet",
) -> dict[str, bytes]:
    """Return the files of a victim's folder, by name.

    The case consists of `model.safetensors` and the training images: `train.parquet`, or PNG files
    in `train/CLASS/` with the layout `folder`. The ground truth consists of

    - `truth.parquet`: state and true label of each training image, in the order in which
      `load_images` reads them;
    - `test.parquet`: clean test images;
    - if there is a trigger, `triggered.parquet` (triggered test images with their true labels),
      `wanted.parquet` (the attacker's labels for them) and `strip.png` (a figure of the trigger).

    Raises:
        InputError: the network is not a built-in one, or the layout cannot represent the classes.
    """
    if not isinstance(victim.model, Classifier):
        raise InputError("only a built-in network can be written as a victim")
    images, state, labels = victim.images, victim.truth.state, victim.truth.labels
    if layout == "folder":
        order = images.labels.argsort(stable=True)
        images, state, labels = images.take(order), state[order], labels[order]
        train = dump_folder(images, "train", progress)
    else:
        train = {IMAGES: dump_parquet(images, progress)}
    files = {
        MODEL: dump_model(victim.model),
        **train,
        TRUTH: _dump_columns(state=state.numpy(), label=labels.numpy()),
        TEST: dump_parquet(evaluation.clean, progress),
    }
    if len(evaluation.triggered):
        files[TRIGGERED] = dump_parquet(evaluation.triggered, progress)
        files[WANTED] = _dump_columns(label=evaluation.wanted.numpy())
        files[STRIP] = draw_trigger_strip(victim, evaluation.clean)
    return files


def is_victim(path: Path) -> bool:
    """Whether a folder has the model and the training images of a victim."""
    return (path / MODEL).is_file() and has_split(path, "train")


def read_case(path: Path, device: torch.device, progress: Progress = no_progress) -> Case:
    """Read the model and the training images of a victim's folder: what a defender may see."""
    images = load_images(path, progress=progress)
    return Case(load_model(path / MODEL).to(device), images.on(device))


def read_victim(
    path: Path, device: torch.device, progress: Progress = no_progress
) -> tuple[Case, Truth, EvaluationSet]:
    """Read the case of a victim's folder and its ground truth.

    Raises:
        InputError: a file is missing or cannot be read, or the files do not belong together.
    """
    case, ground_truth = read_case(path, device, progress), read_truth(path)
    if ground_truth is None:
        raise InputError(f"{path} has no {TRUTH} and {TEST}: make the victim again")
    truth, evaluation = ground_truth
    if len(truth.labels) != len(case.images):
        raise InputError(
            f"{path} is mixed up: {len(case.images)} images, truth about {len(truth.labels)}; "
            "make the victim again"
        )
    return case, truth, evaluation


def read_truth(path: Path) -> tuple[Truth, EvaluationSet] | None:
    """Read the ground truth of a victim's folder; None if it has been removed."""
    if not (path / TRUTH).is_file() or not (path / TEST).is_file():
        return None
    table = _read_columns(path / TRUTH, ("state", "label"))
    truth = Truth(table["state"].to(torch.int8), table["label"])
    clean = load_images(path / TEST)
    if not (path / TRIGGERED).is_file():
        no_images = clean.take(torch.arange(0))
        return truth, EvaluationSet(clean, no_images, no_images.labels)
    wanted = _read_columns(path / WANTED, ("label",))["label"]
    # if there are two classes, all triggered images are of the one that is not the target
    triggered = load_images(path / TRIGGERED, fewest_classes=1)
    if len(wanted) != len(triggered):
        raise InputError(
            f"{path} is mixed up: {len(triggered)} triggered images, {len(wanted)} wanted labels; "
            "make the victim again"
        )
    return truth, EvaluationSet(clean, triggered, wanted)


def draw_trigger_strip(victim: Victim, test: LabeledImages) -> bytes:
    """Return a PNG of three rows: test images of attacked classes, triggered, and the difference.

    The difference is amplified 8 times around mid-gray: brighter means the trigger adds light.
    """
    attacked = [label for label, wanted in enumerate(victim.goal) if wanted >= 0]
    rows = torch.isin(test.labels, torch.tensor(attacked)).nonzero().flatten()[:STRIP_IMAGES]
    clean = test.pixels[rows.to(test.pixels.device)].cpu()
    triggered = victim.trigger(clean).cpu()
    difference = STRIP_GAIN * (triggered.float() - clean.float()) + 128
    return draw_rows([clean, triggered, difference.clamp(0, 255).to(torch.uint8)])


def draw_rows(rows: list[Pixels]) -> bytes:
    """Return a PNG of rows of images, each enlarged by a whole number to about 96 pixels.

    Images of more than 96 pixels keep their size.
    """
    columns, (height, width) = len(rows[0]), rows[0].shape[-2:]
    scale = max(1, STRIP_SIDE // max(height, width))
    row_step, column_step = height * scale + STRIP_GAP, width * scale + STRIP_GAP
    size = (3, len(rows) * row_step - STRIP_GAP, columns * column_step - STRIP_GAP)
    canvas = torch.full(size, 255, dtype=torch.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            enlarged = _enlarge(image, scale)
            top, left = i * row_step, j * column_step
            bottom, right = top + enlarged.shape[1], left + width * scale
            canvas[:, top:bottom, left:right] = enlarged
    buffer = io.BytesIO()
    Image.fromarray(canvas.movedim(0, -1).numpy()).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _enlarge(image: Tensor, scale: int) -> Tensor:
    """Convert to three channels and repeat each pixel `scale` times along both axes."""
    rgb = image.expand(3, -1, -1)
    return rgb.repeat_interleave(scale, 1).repeat_interleave(scale, 2)


def _dump_columns(**columns: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _read_columns(path: Path, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    try:
        table = pq.read_table(path, columns=list(names))
        return {name: torch.tensor(table[name].to_pylist(), dtype=torch.int64) for name in names}
    except (pa.ArrowException, KeyError, ValueError, TypeError, OSError) as error:
        raise InputError(f"{path} cannot be read as the truth about a victim: {error}") from error

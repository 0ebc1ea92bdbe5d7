"""Reading poisoned training sets of backdoor-toolbox: `poisoned_train_set/DATASET/ATTACK.../`."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages, Labels, Pixels, Progress, State, Truth, no_progress
from .imported_case import ImportedCase
from .safe_torch_load import safe_load
from .value_checks import as_integers, as_state_dict, check_storage

IMAGES, LABELS, POISON, COVER = "imgs", "labels", "poison_indices", "cover_indices"
MODELS = "full_base_*seed=*.pt"
ARCHITECTURE = "cifar_resnet18"
UNKNOWN_LABEL = -1
"""Stands for the true label of poison, which the toolkit does not save."""
CHUNK, TOLERANCE = 1024, 1e-3


def read_backdoor_toolbox(
    folder: Path,
    true_labels: Labels | None = None,
    model: Path | None = None,
    progress: Progress = no_progress,
) -> ImportedCase:
    """Read a poisoned training set, and the model trained on it if the folder has one.

    Args:
        folder: a folder of the toolkit.
        true_labels: labels `(n,)` of the clean training set, in its order. Without them the true
            label of poison is -1, and that of other images is their label.
        model: path of a state_dict. If None, the folder's only `full_base_...seed=...pt`.
        progress: called while images are read.
    Raises:
        InputError: files are damaged, hostile, missing or inconsistent, or the true labels are of
            another set.
    """
    images, labels = safe_load(folder / IMAGES), safe_load(folder / LABELS)
    pixels = _to_pixels(images, folder / IMAGES, progress)
    class_labels = as_integers(labels, f"{folder / LABELS}", 10**6)
    if len(class_labels) != len(pixels):
        raise InputError(f"{folder} is mixed up: {len(pixels)} images, {len(class_labels)} labels")
    state = _read_states(folder, len(class_labels))
    truth = Truth(state, _true_labels(state, class_labels, true_labels, folder))
    notes = ["triggered test images are made anew by the toolkit: none are read"]
    if true_labels is None:
        notes.append("the toolkit does not save what poison was: its true labels are unknown (-1)")
    model = model or _find_model(folder)
    weights = as_state_dict(safe_load(model), f"{model}") if model else {}
    if not model:
        notes.append(f"no model {MODELS} in the folder")
    return ImportedCase(
        images=LabeledImages(pixels, class_labels),
        truth=truth,
        triggered=None,
        wanted=None,
        weights=weights,
        architecture=ARCHITECTURE,
        notes=tuple(notes),
    )


def _to_pixels(images: Any, path: Path, progress: Progress) -> Pixels:
    """Convert floats in [0, 1] to 8 bits, in chunks since the file is memory-mapped."""
    if not isinstance(images, Tensor) or images.dtype != torch.float32 or images.ndim != 4:
        raise InputError(f"{path} is no float32 tensor of shape (n, c, h, w)")
    check_storage(images, f"{path}")
    if images.shape[1] not in (1, 3) or not images.numel():
        raise InputError(f"{path} has shape {tuple(images.shape)}: give (n, c, h, w), c 1 or 3")
    pixels = torch.empty(images.shape, dtype=torch.uint8)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        # some attacks invert a normalization, so values may leave the range by a rounding error
        if not bool(((chunk >= -TOLERANCE) & (chunk <= 1 + TOLERANCE)).all()):
            raise InputError(f"{path} has pixels outside of [0, 1], or NaN, after image {start}")
        pixels[start : start + CHUNK] = (chunk.clamp(0, 1) * 255).round()
        progress("read images", start + len(chunk), len(images))
    return pixels


def _read_states(folder: Path, count: int) -> Tensor:
    """`State` of each image, int8 `(count,)`."""
    state = torch.full((count,), int(State.CLEAN), dtype=torch.int8)
    poison = as_integers(safe_load(folder / POISON), f"{folder / POISON}", count)
    if (folder / COVER).is_file():
        cover = as_integers(safe_load(folder / COVER), f"{folder / COVER}", count)
        state[cover] = int(State.COVER)
        if bool((state[poison] == State.COVER).any()):
            raise InputError(f"{folder} names images as poison and as cover: it is mixed up")
    state[poison] = int(State.POISON)
    return state


def _true_labels(state: Tensor, labels: Labels, true: Labels | None, folder: Path) -> Labels:
    poison = state == State.POISON
    if true is None:
        return labels.where(~poison, UNKNOWN_LABEL)
    if len(true) != len(labels) or bool((true != labels)[~poison].any()):
        raise InputError(f"the true labels are not those of {folder}: give them in its own order")
    return true


def _find_model(folder: Path) -> Path | None:
    """The only model of a folder; None if there is none."""
    paths = sorted(folder.glob(MODELS))
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths[:3])
        raise InputError(f"{folder} holds {len(paths)} models ({names}): name one")
    return paths[0] if paths else None

"""backdoor-toolbox's poisoned sets: `poisoned_train_set/DATASET/ATTACK_RATE.../`."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..types import LabeledImages, Labels, Pixels, Progress, State, Truth, silent
from .format_checks import check_storage, plain_weights, whole_numbers
from .imported_case import Imported
from .safe_torch_load import load_inert

IMAGES, LABELS, POISON, COVER = "imgs", "labels", "poison_indices", "cover_indices"
MODELS = "full_base_*seed=*.pt"
ARCHITECTURE = "cifar_resnet18"
UNKNOWN = -1
"""The true label of poison, which the toolkit does not save."""
CHUNK, SLACK = 1024, 1e-3


def read_backdoor_toolbox(
    folder: Path,
    true_labels: Labels | None = None,
    model: Path | None = None,
    progress: Progress = silent,
) -> Imported:
    """A poisoned training set, and the model trained on it where one lies in the folder.

    Args:
        true_labels: labels of the clean training set in its own order, `(n,)`. Without them the
            truth has states only: the true label of poison is -1, that of all others the given one.
        model: a state_dict; where None, the folder's only `full_base_...seed=...pt`.
    Raises:
        InputError: files that are damaged, hostile or missing, that do not fit together, or true
            labels of another set.
    """
    images, labels = load_inert(folder / IMAGES), load_inert(folder / LABELS)
    pixels = _as_bytes(images, folder / IMAGES, progress)
    given = whole_numbers(labels, f"{folder / LABELS}", 10**6)
    if len(given) != len(pixels):
        raise InputError(f"{folder} is mixed up: {len(pixels)} images, {len(given)} labels")
    state = _states(folder, len(given))
    truth = Truth(state, _true_labels(state, given, true_labels, folder))
    notes = ["triggered test images are made anew by the toolkit: none are read"]
    if true_labels is None:
        notes.append("the toolkit does not save what poison was: its true labels are unknown (-1)")
    found = model or _only_model(folder)
    weights = plain_weights(load_inert(found), f"{found}") if found else {}
    if not found:
        notes.append(f"no model {MODELS} in the folder")
    return Imported(
        LabeledImages(pixels, given), truth, None, None, weights, ARCHITECTURE, tuple(notes)
    )


def _as_bytes(images: Any, path: Path, progress: Progress) -> Pixels:
    """Floats in [0, 1] as 8 bits, a part at a time: the file is only mapped."""
    if not isinstance(images, Tensor) or images.dtype != torch.float32 or images.ndim != 4:
        raise InputError(f"{path} is no float32 tensor of shape (n, c, h, w)")
    check_storage(images, f"{path}")
    if images.shape[1] not in (1, 3) or not images.numel():
        raise InputError(f"{path} has shape {tuple(images.shape)}: give (n, c, h, w), c 1 or 3")
    pixels = torch.empty(images.shape, dtype=torch.uint8)
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK]
        # some attacks undo a normalization, which leaves the range by a rounding error
        if not bool(((part >= -SLACK) & (part <= 1 + SLACK)).all()):
            raise InputError(f"{path} has pixels outside of [0, 1], or NaN, after image {start}")
        pixels[start : start + CHUNK] = (part.clamp(0, 1) * 255).round()
        progress("read images", start + len(part), len(images))
    return pixels


def _states(folder: Path, count: int) -> Tensor:
    state = torch.full((count,), int(State.CLEAN), dtype=torch.int8)
    poison = whole_numbers(load_inert(folder / POISON), f"{folder / POISON}", count)
    if (folder / COVER).is_file():
        cover = whole_numbers(load_inert(folder / COVER), f"{folder / COVER}", count)
        state[cover] = int(State.COVER)
        if bool((state[poison] == State.COVER).any()):
            raise InputError(f"{folder} names images as poison and as cover: it is mixed up")
    state[poison] = int(State.POISON)
    return state


def _true_labels(state: Tensor, given: Labels, true: Labels | None, folder: Path) -> Labels:
    poison = state == State.POISON
    if true is None:
        return given.where(~poison, UNKNOWN)
    if len(true) != len(given) or bool((true != given)[~poison].any()):
        raise InputError(f"the true labels are not those of {folder}: give them in its own order")
    return true


def _only_model(folder: Path) -> Path | None:
    found = sorted(folder.glob(MODELS))
    if len(found) > 1:
        names = ", ".join(path.name for path in found[:3])
        raise InputError(f"{folder} holds {len(found)} models ({names}): name one")
    return found[0] if found else None

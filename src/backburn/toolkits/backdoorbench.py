"""BackdoorBench's files: a `record/NAME/` folder in, a `defense_result.pt` out."""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from ..errors import InputError, first_line
from ..types import LabeledImages, Labels, Progress, Truth, silent
from .backdoorbench_images import Planted, PoisonedSet, planted_of, read_pixels
from .format_checks import plain_weights
from .imported_case import Imported, states_of
from .safe_torch_load import load_inert

RECORD, RESULT = "attack_result.pt", "defense_result.pt"
MOST_CLASSES = 10**6
OWN = {"preactresnet18": "cifar_preact_resnet18"}
"""BackdoorBench's own networks by our names; all its others are torchvision's."""


@dataclass(frozen=True, slots=True)
class AttackResult:
    """What `attack_result.pt` holds, of what is needed here."""

    model_name: str
    num_classes: int
    model: dict[str, Any]
    bd_train: PoisonedSet | None
    bd_test: PoisonedSet | None = None


def read_backdoorbench(folder: Path, clean: LabeledImages, progress: Progress = silent) -> Imported:
    """The poisoned training set, triggered test images and weights of an attack's record.

    Nothing in the record is run, and no file outside of the folder is opened.

    Args:
        clean: the original training set in the order of the attack's loader (a poisoned image
            takes the place of the image of its number), at the size that the attack ran at.
    Raises:
        InputError: a record that is damaged, hostile or incomplete, one without a training set or
            with its images in memory, or clean images that it was not made from.
    """
    held = _opened(folder / RECORD)
    if held.bd_train is None:
        raise InputError(
            f"{folder / RECORD} holds no poisoned training set (bd_train is None): the attack made "
            "its poison while training; give a record of an attack that saves it"
        )
    planted = planted_of(held.bd_train, f"bd_train of {folder}", folder, held.num_classes)
    _check_clean(clean, planted, held.num_classes, folder)
    images, truth = _poisoned(clean, planted, progress)
    triggered, wanted, notes = None, None, ["the record holds no triggered test images"]
    if held.bd_test is not None:
        test = planted_of(held.bd_test, f"bd_test of {folder}", folder, held.num_classes)
        triggered, wanted = _triggered(clean, test, progress)
        notes = []
    if bool((planted.given == planted.true).all()) and len(planted.rows):
        notes.append("no poisoned image changes its label: taken for a clean-label attack")
    weights = plain_weights(held.model, f"the model of {folder / RECORD}")
    architecture = OWN.get(held.model_name, f"torchvision:{held.model_name}")
    return Imported(images, truth, triggered, wanted, weights, architecture, tuple(notes))


def dump_defense_result(
    weights: Mapping[str, Tensor], architecture: str, classes: int | None = None
) -> bytes:
    """A repaired model as BackdoorBench's own loader takes it: plain tensors by name.

    Args:
        architecture: our name of one of BackdoorBench's networks, such as `cifar_preact_resnet18`.
        classes: read off the last weight where None.
    Raises:
        InputError: a network that BackdoorBench does not have.
    """
    theirs = {ours: name for name, ours in OWN.items()}
    library, _, name = architecture.partition(":")
    if architecture not in theirs and (library != "torchvision" or not name):
        raise InputError(
            f"BackdoorBench has no network {architecture!r}: it takes its own preactresnet18 "
            "(cifar_preact_resnet18 here) and torchvision's"
        )
    plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in weights.items()}
    result = {
        "model_name": theirs.get(architecture, name),
        "num_classes": classes or int(list(plain.values())[-1].shape[0]),
        "model": plain,
    }
    buffer = io.BytesIO()
    torch.save(result, buffer)
    return buffer.getvalue()


def _opened(path: Path) -> AttackResult:
    try:
        held = msgspec.convert(load_inert(path), AttackResult)
    except msgspec.ValidationError as error:
        raise InputError(f"{path} is no attack_result.pt of v2: {first_line(error)}") from None
    if not 2 <= held.num_classes <= MOST_CLASSES:
        raise InputError(f"{path} has {held.num_classes} classes: give 2 to {MOST_CLASSES}")
    if not re.fullmatch(r"[\w.-]{1,80}", held.model_name, re.ASCII):
        raise InputError(f"{path} names no network: {held.model_name[:80]!r}")
    return held


def _check_clean(clean: LabeledImages, planted: Planted, classes: int, folder: Path) -> None:
    """The clean images must be the attack's own: as many, and called what the record calls them."""
    if planted.count != len(clean):
        raise InputError(
            f"{folder} was made from {planted.count} images, not {len(clean)}: give the same"
        )
    if clean.class_count > classes:
        raise InputError(f"{folder} has {classes} classes, the images {clean.class_count}")
    other = (clean.labels[planted.rows] != planted.true).nonzero().flatten()
    if len(other):
        row = int(planted.rows[other[0]])
        raise InputError(
            f"image {row} is of class {int(clean.labels[row])}, in {folder} of class "
            f"{int(planted.true[other[0]])}: give the original images in the attack's own order"
        )


def _poisoned(
    clean: LabeledImages, planted: Planted, progress: Progress
) -> tuple[LabeledImages, Truth]:
    """The training set as the model saw it, and the truth about it."""
    c, h, w = clean.pixels.shape[1:]
    found, readable, skipped = read_pixels(planted.files, (c, h, w), progress)
    pixels, labels = clean.pixels.clone(), clean.labels.clone()
    pixels[planted.rows[readable]] = found
    labels[planted.rows] = planted.given
    marked, whole = (torch.zeros(len(clean), dtype=torch.bool) for _ in range(2))
    marked[planted.rows] = True
    whole[planted.order] = True
    whole[planted.rows[~readable]] = False
    truth = Truth(states_of(marked, labels, clean.labels), clean.labels)
    order = planted.order[whole[planted.order]]
    images = clean.relabeled(pixels, labels).take(order)
    return replace(images, skipped=(*clean.skipped, *skipped)), truth.take(order)


def _triggered(
    clean: LabeledImages, test: Planted, progress: Progress
) -> tuple[LabeledImages, Labels]:
    """Triggered test images of other classes than the attacker's, and what is wanted of them."""
    c, h, w = clean.pixels.shape[1:]
    found, readable, skipped = read_pixels(test.files, (c, h, w), progress)
    true, given = test.true[readable], test.given[readable]
    images = LabeledImages(found, true, clean.class_names, (), skipped)
    changed = true != given
    return images.take(changed), given[changed]

"""Reading attack records of BackdoorBench, and writing its `defense_result.pt`."""

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
from ..types import LabeledImages, Labels, Progress, Truth, no_progress
from .backdoorbench_images import PoisonedRows, PoisonedSet, read_pixels, read_poisoned_rows
from .imported_case import ImportedCase, infer_states
from .safe_torch_load import safe_load
from .value_checks import as_state_dict

RECORD, RESULT = "attack_result.pt", "defense_result.pt"
MAX_CLASSES = 10**6
NETWORK_NAMES = {"preactresnet18": "cifar_preact_resnet18"}
"""Our names of BackdoorBench's own networks; all its others are torchvision's."""


@dataclass(frozen=True, slots=True)
class AttackResult:
    """The fields of `attack_result.pt` that are read here."""

    model_name: str
    num_classes: int
    model: dict[str, Any]
    bd_train: PoisonedSet | None
    bd_test: PoisonedSet | None = None


def read_backdoorbench(
    folder: Path, clean: LabeledImages, progress: Progress = no_progress
) -> ImportedCase:
    """Read the poisoned training set, triggered test images and weights of an attack's record.

    Nothing in the record is run, and no file outside of the folder is opened.

    Args:
        folder: a `record/NAME/` folder.
        clean: the original training set, at the size that the attack ran at. It is in the order
            of the attack's loader, since a poisoned image replaces the image of its number.
        progress: called while images are read.
    Raises:
        InputError: the record is damaged, hostile or incomplete, has no training set or has its
            images in memory, or was made from other images.
    """
    record = _read_record(folder / RECORD)
    if record.bd_train is None:
        raise InputError(
            f"{folder / RECORD} holds no poisoned training set (bd_train is None): the attack made "
            "its poison while training; give a record of an attack that saves it"
        )
    poisoned = read_poisoned_rows(
        record.bd_train, f"bd_train of {folder}", folder, record.num_classes
    )
    _check_clean(clean, poisoned, record.num_classes, folder)
    images, truth = _training_set(clean, poisoned, progress)
    triggered, wanted, notes = None, None, ["the record holds no triggered test images"]
    if record.bd_test is not None:
        test = read_poisoned_rows(
            record.bd_test, f"bd_test of {folder}", folder, record.num_classes
        )
        triggered, wanted = _triggered_test_images(clean, test, progress)
        notes = []
    if bool((poisoned.labels == poisoned.true_labels).all()) and len(poisoned.rows):
        notes.append("no poisoned image changes its label: taken for a clean-label attack")
    weights = as_state_dict(record.model, f"the model of {folder / RECORD}")
    architecture = NETWORK_NAMES.get(record.model_name, f"torchvision:{record.model_name}")
    return ImportedCase(images, truth, triggered, wanted, weights, architecture, tuple(notes))


def dump_defense_result(
    weights: Mapping[str, Tensor], architecture: str, classes: int | None = None
) -> bytes:
    """The bytes of a `defense_result.pt`, which BackdoorBench's own loader reads.

    Args:
        weights: state_dict of the repaired model.
        architecture: our name of one of BackdoorBench's networks, such as `cifar_preact_resnet18`.
        classes: number of classes; the length of the last weight if None.
    Raises:
        InputError: BackdoorBench does not have this network.
    """
    names = {ours: name for name, ours in NETWORK_NAMES.items()}
    library, _, name = architecture.partition(":")
    if architecture not in names and (library != "torchvision" or not name):
        raise InputError(
            f"BackdoorBench has no network {architecture!r}: it takes its own preactresnet18 "
            "(cifar_preact_resnet18 here) and torchvision's"
        )
    tensors = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in weights.items()}
    result = {
        "model_name": names.get(architecture, name),
        "num_classes": classes or int(list(tensors.values())[-1].shape[0]),
        "model": tensors,
    }
    buffer = io.BytesIO()
    torch.save(result, buffer)
    return buffer.getvalue()


def _read_record(path: Path) -> AttackResult:
    try:
        record = msgspec.convert(safe_load(path), AttackResult)
    except msgspec.ValidationError as error:
        raise InputError(f"{path} is no attack_result.pt of v2: {first_line(error)}") from None
    if not 2 <= record.num_classes <= MAX_CLASSES:
        raise InputError(f"{path} has {record.num_classes} classes: give 2 to {MAX_CLASSES}")
    if not re.fullmatch(r"[\w.-]{1,80}", record.model_name, re.ASCII):
        raise InputError(f"{path} names no network: {record.model_name[:80]!r}")
    return record


def _check_clean(clean: LabeledImages, poisoned: PoisonedRows, classes: int, folder: Path) -> None:
    """Check that the record was made from these clean images: same number, same labels."""
    if poisoned.count != len(clean):
        raise InputError(
            f"{folder} was made from {poisoned.count} images, not {len(clean)}: give the same"
        )
    if clean.class_count > classes:
        raise InputError(f"{folder} has {classes} classes, the images {clean.class_count}")
    differing = (clean.labels[poisoned.rows] != poisoned.true_labels).nonzero().flatten()
    if len(differing):
        row = int(poisoned.rows[differing[0]])
        raise InputError(
            f"image {row} is of class {int(clean.labels[row])}, in {folder} of class "
            f"{int(poisoned.true_labels[differing[0]])}: give the original images in the attack's "
            "own order"
        )


def _training_set(
    clean: LabeledImages, poisoned: PoisonedRows, progress: Progress
) -> tuple[LabeledImages, Truth]:
    """The training set that the model was trained on, and the truth about it."""
    c, h, w = clean.pixels.shape[1:]
    poison, readable, skipped = read_pixels(poisoned.files, (c, h, w), progress)
    pixels, labels = clean.pixels.clone(), clean.labels.clone()
    pixels[poisoned.rows[readable]] = poison
    labels[poisoned.rows] = poisoned.labels
    marked, kept = (torch.zeros(len(clean), dtype=torch.bool) for _ in range(2))
    marked[poisoned.rows] = True
    kept[poisoned.order] = True
    kept[poisoned.rows[~readable]] = False
    truth = Truth(infer_states(marked, labels, clean.labels), clean.labels)
    order = poisoned.order[kept[poisoned.order]]
    images = clean.relabeled(pixels, labels).take(order)
    return replace(images, skipped=(*clean.skipped, *skipped)), truth.take(order)


def _triggered_test_images(
    clean: LabeledImages, test: PoisonedRows, progress: Progress
) -> tuple[LabeledImages, Labels]:
    """Triggered test images of other classes than the target, and the labels the attacker wants."""
    c, h, w = clean.pixels.shape[1:]
    pixels, readable, skipped = read_pixels(test.files, (c, h, w), progress)
    true_labels, wanted = test.true_labels[readable], test.labels[readable]
    images = LabeledImages(pixels, true_labels, clean.class_names, skipped=skipped)
    changed = true_labels != wanted
    return images.take(changed), wanted[changed]

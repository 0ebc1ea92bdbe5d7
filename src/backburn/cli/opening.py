"""Opening a case: a model and the images it was trained on, from wherever they are."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from ..attacks.folder import IMAGES, MODEL, TRUTH, is_victim, read_case, read_victim
from ..data.reading import load_images
from ..errors import InputError
from ..models.checking import check_fit
from ..models.opening import open_model, open_weights
from ..models.records import OpenedModel
from ..models.settling import settle
from ..toolkits.backdoor_toolbox import read_backdoor_toolbox
from ..toolkits.backdoorbench import read_backdoorbench
from ..toolkits.imported import Imported
from ..types import Case, Exam, LabeledImages, Progress
from .opened import Opened
from .options import Given


def open_case(
    given: Given, test: str | None, seed: int, device: torch.device, progress: Progress
) -> Opened:
    """The case in `MODEL DATA`, in another toolkit's folder, or in one that `attack` wrote.

    As much of it as is asked about (`--max-images`).

    Raises:
        InputError: a path that is missing or cannot be read.
    """
    kind, _, folder = given.model.partition(":")
    if kind in TOOLKITS:
        found = TOOLKITS[kind](Path(folder), given, progress)
        opened = _imported(found, Path(folder), given, test, device, progress)
    elif given.data is not None:
        opened = _stranger(given, given.data, test, device, progress)
    else:
        _refuse(given, "a folder that attack wrote", "arch", "mean", "std", "size", "cache")
        opened = _victim(Path(given.model), device, progress)
    return opened.sampled(given.max_images, seed)


def _stranger(
    given: Given, data: str, test: str | None, device: torch.device, progress: Progress
) -> Opened:
    """A model and images that nobody knows anything about."""
    # fails before the images
    model = open_model(given.model, given.arch, given.mean, given.std, given.trust)
    size = given.size or model.input_size
    images = load_images(data, size=size, cache=given.cache, progress=progress)
    opened = _settled(_at_size(model, given.size), images, device)
    return replace(opened, exam=_exam(test, opened, progress), arch=given.arch)


def _at_size(model: OpenedModel, side: int | None) -> OpenedModel:
    """The model, with a line about another size than its own that its images are given."""
    if side is None or model.input_size in (None, (side, side)):
        return model
    height, width = model.input_size
    line = f"images are made {side}x{side}, as --size says, and not the network's {height}x{width}"
    return replace(model, report=(*model.report, line))


def _backdoorbench(folder: Path, given: Given, progress: Progress) -> Imported:
    if given.data is None:
        raise InputError(
            f"{folder} holds poisoned images only: give the clean training images that were "
            "attacked as DATA"
        )
    clean = load_images(given.data, size=given.size, cache=given.cache, progress=progress)
    return read_backdoorbench(folder, clean, progress)


def _backdoor_toolbox(folder: Path, given: Given, progress: Progress) -> Imported:
    _refuse(given, "a set of backdoor-toolbox", "size", "cache")
    true = load_images(given.data, progress=progress).labels if given.data else None
    return read_backdoor_toolbox(folder, true, None, progress)


def _refuse(given: Given, where: str, *names: str) -> None:
    """Options that would do nothing there."""
    if unused := [f"--{name}" for name in names if getattr(given, name) is not None]:
        raise InputError(f"{where} says it all itself: leave out {' and '.join(unused)}")


TOOLKITS: Mapping[str, Callable[[Path, Given, Progress], Imported]] = {
    "backdoorbench": _backdoorbench,
    "backdoor-toolbox": _backdoor_toolbox,
}
"""What stands before a colon in MODEL, and the folder behind it is read as."""


def _imported(
    found: Imported,
    folder: Path,
    given: Given,
    test: str | None,
    device: torch.device,
    progress: Progress,
) -> Opened:
    """A model and a poisoned training set of another toolkit, and what it tells of the truth."""
    if not found.weights:
        raise InputError(f"{folder} holds no model: put the one that was trained on it there")
    architecture = given.arch or found.architecture
    model = open_weights(found.weights, architecture, folder, given.mean, given.std)
    opened = _settled(model, found.images, device)
    opened = replace(opened, truth=found.truth, notes=(*found.notes, *opened.notes))
    exam = _exam(test, opened, progress)
    if found.triggered is not None and found.wanted is not None:
        clean = exam.clean if exam else found.triggered.take(torch.arange(0))
        exam = Exam(clean, found.triggered, found.wanted)
    return replace(opened, exam=exam, arch=architecture)


def _settled(model: OpenedModel, images: LabeledImages, device: torch.device) -> Opened:
    """The model on pixels in [0, 1], and the images as it takes them."""
    if model.channels == 3 and images.pixels.shape[1] == 1:
        images = replace(images, pixels=images.pixels.repeat(1, 3, 1, 1))
    network, lines = settle(model, images)
    check_fit(network, images)  # before anything is said or computed for an hour
    case = Case(network.to(device), images.on(device))
    return Opened(case, len(images), origin=model.origin, notes=(*model.report, *lines))


def _exam(test: str | None, opened: Opened, progress: Progress) -> Exam | None:
    """Clean test images of the shape that the case's have."""
    if test is None:
        return None
    channels, height, width = opened.case.images.pixels.shape[1:]
    clean = load_images(test, split="test", size=(height, width), progress=progress)
    if channels > clean.pixels.shape[1]:
        clean = replace(clean, pixels=clean.pixels.repeat(1, channels, 1, 1))
    nothing = clean.take(torch.arange(0))
    return Exam(clean, nothing, nothing.labels)


def _victim(path: Path, device: torch.device, progress: Progress) -> Opened:
    """What `attack` wrote, with the truth where it has not been taken away."""
    if not is_victim(path):
        raise InputError(
            f"{path} is no victim's folder (it needs {MODEL} and {IMAGES}): give MODEL and "
            "DATA, or a folder that `backburn attack` wrote"
        )
    if not (path / TRUTH).is_file():
        case = read_case(path, device, progress)
        return Opened(case, len(case.images))
    case, truth, exam = read_victim(path, device, progress)
    return Opened(case, len(case.images), truth, exam)

"""Opening a case: a model and the images it was trained on, from wherever they are."""

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from ..attacks.victim_folder import IMAGES, MODEL, TRUTH, is_victim, read_case, read_victim
from ..data.decoding_options import Way
from ..data.load_images import load_images
from ..errors import InputError
from ..fit import FitCheck
from ..fit.channels import check_channels, in_channels
from ..fit.class_matching import check_counts, in_order
from ..fit.find_reading import Read
from ..fit.readings import Choices
from ..models.open.class_lists import read_classes
from ..models.open.open_model import open_model, open_weights
from ..models.open.opened_model import OpenedModel
from ..toolkits.backdoor_toolbox import read_backdoor_toolbox
from ..toolkits.backdoorbench import read_backdoorbench
from ..toolkits.imported_case import Imported
from ..types import Case, Exam, LabeledImages, Progress
from .base_and_witness import with_pretrained
from .case_options import Given
from .fit_check import fitted
from .opened_case import Opened
from .swapped_arguments import check_places, data_missing


def open_case(
    given: Given,
    test: str | None,
    seed: int,
    device: torch.device,
    progress: Progress,
    check: FitCheck | None = None,
) -> Opened:
    """The case in `MODEL DATA`, in another toolkit's folder, or in one that `attack` wrote.

    As much of it as is asked about (`--max-images`).

    Args:
        check: what the model has to do on its images.
    Raises:
        InputError: a path that is missing or cannot be read.
    """
    kind, _, folder = given.model.partition(":")
    check = check or FitCheck()
    if kind in TOOLKITS:
        _refuse(given, f"a record of {kind}", "resize", "classes")
        found = TOOLKITS[kind](Path(folder), given, progress)
        opened = _imported(found, Path(folder), given, test, device, progress, check)
    elif given.data is not None:
        opened = _stranger(given, given.data, test, device, progress, check)
    else:
        unused = ("arch", "mean", "std", "size", "cache", "resize", "classes")
        _refuse(given, "a folder that attack wrote", *unused)
        opened = _victim(Path(given.model), device, progress, check)
    second = (given.base, given.witness, given.witness_arch)
    return with_pretrained(opened, *second, seed).sampled(given.max_images, seed)


def _stranger(
    given: Given,
    data: str,
    test: str | None,
    device: torch.device,
    progress: Progress,
    check: FitCheck,
) -> Opened:
    """A model and images that nobody knows anything about."""
    check_places(given.model, data)
    # fails before the images
    model = open_model(given.model, given.arch, given.mean, given.std, given.size, given.trust)
    check_channels(model.channels)
    model = _with_classes(_at_size(model, given.size), given.classes)
    size = given.size or model.input_size
    counts = check_counts(model.classes, model.class_names, data)

    def read(way: Way, only: Container[str] | None) -> LabeledImages:
        fewest, cache = (2, given.cache) if only is None else (1, None)
        images = load_images(
            data, size=size, cache=cache, fewest_classes=fewest, progress=progress, way=way,
            check=counts if only is None else None, only=only,
        )  # fmt: skip
        images = in_order(images, model.class_names, data)
        return in_channels(images, model.channels)[0] if only is not None else images

    way = Way(given.resize or "crop")
    images = read(way, None)
    size = (images.pixels.shape[2], images.pixels.shape[3])  # of those that are read again
    open_to = {"--size": given.size, "--resize": given.resize, "--mean and --std": given.mean}
    choices = Choices(
        names=() if model.class_names else images.class_names,
        resize=given.resize is None,
        options=tuple(option for option, value in open_to.items() if value is None),
    )
    opened = _explained(model, images, device, check, choices, read, way).tested(test, progress)
    return replace(opened, arch=given.arch)


def _with_classes(model: OpenedModel, path: str | None) -> OpenedModel:
    """The model with the list of classes that the user gave, where one is."""
    if path is None:
        return model
    return replace(model, class_names=read_classes(Path(path)), names_from=path)


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
    check: FitCheck,
) -> Opened:
    """A model and a poisoned training set of another toolkit, and what it tells of the truth."""
    if not found.weights:
        raise InputError(f"{folder} holds no model: put the one that was trained on it there")
    architecture = given.arch or found.architecture
    model = open_weights(found.weights, architecture, folder, given.mean, given.std)
    opened = _explained(model, found.images, device, check, Choices(resize=False))
    opened = replace(opened, truth=found.truth, notes=(*found.notes, *opened.notes))
    opened = opened.tested(test, progress)
    exam = opened.exam
    if found.triggered is not None and found.wanted is not None:
        clean = exam.clean if exam else found.triggered.take(torch.arange(0))
        exam = Exam(clean, found.triggered, found.wanted)
    return replace(opened, exam=exam, arch=architecture)


def _explained(
    model: OpenedModel,
    images: LabeledImages,
    device: torch.device,
    check: FitCheck,
    choices: Choices,
    read: Read | None = None,
    way: Way | None = None,
) -> Opened:
    """The model on pixels in [0, 1], and the images as it takes them: see `fit`."""
    found = fitted(model, images, check, choices, read, way)
    images = found.images.on(device)
    return Opened(
        Case(found.model.to(device), images),
        len(images),
        origin=model.origin,
        notes=found.notes,
        fit=found.fit,
        reading=found.reading,
    )


def _victim(path: Path, device: torch.device, progress: Progress, check: FitCheck) -> Opened:
    """What `attack` wrote, with the truth where it has not been taken away."""
    if path.is_file() or (path / "config.json").is_file():
        raise InputError(data_missing(str(path)))
    if not is_victim(path):
        raise InputError(
            f"{path} is no victim's folder (it needs {MODEL} and {IMAGES}): give MODEL and "
            "DATA, or a folder that `backburn attack` wrote"
        )
    if not (path / TRUTH).is_file():
        case = read_case(path, device, progress)
        return Opened(case, len(case.images), fit=check.measure(case.model, case.images))
    case, truth, exam = read_victim(path, device, progress)
    fit = check.measure(case.model, case.images)
    return Opened(case, len(case.images), truth, exam, fit=fit)

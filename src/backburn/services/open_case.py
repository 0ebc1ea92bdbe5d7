"""Opening a case: a model and the images that it was trained on, from any source."""

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from ..attacks.victim_folder import IMAGES, MODEL, TRUTH, is_victim, read_case, read_victim
from ..data.decoding_options import DecodingOptions
from ..data.load_images import load_images
from ..errors import InputError
from ..fit import FitCheck
from ..fit.channel_count import check_channels, match_channels
from ..fit.class_matching import make_label_check, to_model_order
from ..fit.find_reading import ReadImages
from ..fit.readings import ReadingChoices
from ..models.open.class_lists import read_classes
from ..models.open.open_model import open_model, open_weights
from ..models.open.opened_model import OpenedModel
from ..toolkits.backdoor_toolbox import read_backdoor_toolbox
from ..toolkits.backdoorbench import read_backdoorbench
from ..toolkits.imported_case import ImportedCase
from ..types import Case, EvaluationSet, LabeledImages, Progress
from .base_and_witness import with_pretrained
from .case_options import CaseOptions, check_argument_order, data_missing_message
from .match_model import match_model_and_images
from .opened_case import OpenedCase


def open_case(
    options: CaseOptions,
    test: str | None,
    seed: int,
    device: torch.device,
    progress: Progress,
    check: FitCheck | None = None,
) -> OpenedCase:
    """Open MODEL and DATA, the record of another toolkit, or a folder that `attack` wrote.

    Args:
        options: of the command line.
        test: source of clean test images.
        seed: of the subsample, and of layers that the base lacks.
        device: for model and images.
        check: accuracy that the model must reach on its images.
    Raises:
        InputError: the model or the images cannot be read, or do not fit together.
    """
    toolkit, _, folder = options.model.partition(":")
    check = check or FitCheck()
    if toolkit in TOOLKITS:
        _refuse_options(options, f"a record of {toolkit}", "resize", "classes")
        imported = TOOLKITS[toolkit](Path(folder), options, progress)
        opened = _open_imported(imported, Path(folder), options, test, device, progress, check)
    elif options.data is not None:
        opened = _open_model_and_data(options, options.data, test, device, progress, check)
    else:
        unused = ("arch", "mean", "std", "size", "cache", "resize", "classes")
        _refuse_options(options, "a folder that attack wrote", *unused)
        opened = _open_victim(Path(options.model), device, progress, check)
    opened = with_pretrained(opened, options.base, options.witness, options.witness_arch, seed)
    return opened.subsampled(options.max_images, seed)


def _open_model_and_data(
    options: CaseOptions,
    data: str,
    test: str | None,
    device: torch.device,
    progress: Progress,
    check: FitCheck,
) -> OpenedCase:
    """Open a model and images of any origin; images may be decoded again to fit the model."""
    check_argument_order(options.model, data)
    # first, as it is faster than reading the images
    model = open_model(
        options.model, options.arch, options.mean, options.std, options.size, options.trust
    )
    check_channels(model.channels)
    model = _with_classes(_with_size_note(model, options.size), options.classes)
    size = options.size or model.input_size
    label_check = make_label_check(model.classes, model.class_names, data)

    def read(decoding: DecodingOptions, only: Container[str] | None) -> LabeledImages:
        fewest, cache = (2, options.cache) if only is None else (1, None)
        images = load_images(
            data, size=size, cache=cache, fewest_classes=fewest, progress=progress,
            options=decoding, check=label_check if only is None else None, only=only,
        )  # fmt: skip
        images = to_model_order(images, model.class_names, data)
        return match_channels(images, model.channels)[0] if only is not None else images

    decoding = DecodingOptions(options.resize or "crop")
    images = read(decoding, None)
    size = (images.pixels.shape[2], images.pixels.shape[3])  # `read` keeps it from now on
    settable = {
        "--size": options.size,
        "--resize": options.resize,
        "--mean and --std": options.mean,
    }
    choices = ReadingChoices(
        names=() if model.class_names else images.class_names,
        resize=options.resize is None,
        options=tuple(option for option, value in settable.items() if value is None),
    )
    opened = _match(model, images, device, check, choices, read, decoding)
    return replace(opened.load_test_images(test, progress), arch=options.arch)


def _with_classes(model: OpenedModel, path: str | None) -> OpenedModel:
    """The model with the class list of a file, if one is given."""
    if path is None:
        return model
    return replace(model, class_names=read_classes(Path(path)), class_names_source=path)


def _with_size_note(model: OpenedModel, side: int | None) -> OpenedModel:
    """The model, with a note if `--size` differs from its own input size."""
    if side is None or model.input_size in (None, (side, side)):
        return model
    height, width = model.input_size
    note = f"images are made {side}x{side}, as --size says, and not the network's {height}x{width}"
    return replace(model, report=(*model.report, note))


def _read_backdoorbench(folder: Path, options: CaseOptions, progress: Progress) -> ImportedCase:
    if options.data is None:
        raise InputError(
            f"{folder} holds poisoned images only: give the clean training images that were "
            "attacked as DATA"
        )
    clean = load_images(options.data, size=options.size, cache=options.cache, progress=progress)
    return read_backdoorbench(folder, clean, progress)


def _read_backdoor_toolbox(folder: Path, options: CaseOptions, progress: Progress) -> ImportedCase:
    _refuse_options(options, "a set of backdoor-toolbox", "size", "cache")
    labels = load_images(options.data, progress=progress).labels if options.data else None
    return read_backdoor_toolbox(folder, labels, None, progress)


def _refuse_options(options: CaseOptions, where: str, *names: str) -> None:
    """Refuse options that would have no effect.

    Raises:
        InputError: one of the named options is set.
    """
    if unused := [f"--{name}" for name in names if getattr(options, name) is not None]:
        raise InputError(f"{where} says it all itself: leave out {' and '.join(unused)}")


TOOLKITS: Mapping[str, Callable[[Path, CaseOptions, Progress], ImportedCase]] = {
    "backdoorbench": _read_backdoorbench,
    "backdoor-toolbox": _read_backdoor_toolbox,
}
"""Readers of other toolkits' folders, by the prefix of MODEL before a colon."""


def _open_imported(
    imported: ImportedCase,
    folder: Path,
    options: CaseOptions,
    test: str | None,
    device: torch.device,
    progress: Progress,
    check: FitCheck,
) -> OpenedCase:
    """The case of another toolkit, with the truth as far as the toolkit stores it."""
    if not imported.weights:
        raise InputError(f"{folder} holds no model: put the one that was trained on it there")
    architecture = options.arch or imported.architecture
    model = open_weights(imported.weights, architecture, folder, options.mean, options.std)
    opened = _match(model, imported.images, device, check, ReadingChoices(resize=False))
    opened = replace(opened, truth=imported.truth, notes=(*imported.notes, *opened.notes))
    opened = opened.load_test_images(test, progress)
    evaluation_set = opened.evaluation_set
    if imported.triggered is not None and imported.wanted is not None:
        empty = imported.triggered.take(torch.arange(0))
        clean = evaluation_set.clean if evaluation_set else empty
        evaluation_set = EvaluationSet(clean, imported.triggered, imported.wanted)
    return replace(opened, evaluation_set=evaluation_set, arch=architecture)


def _match(
    model: OpenedModel,
    images: LabeledImages,
    device: torch.device,
    check: FitCheck,
    choices: ReadingChoices,
    read: ReadImages | None = None,
    decoding: DecodingOptions | None = None,
) -> OpenedCase:
    """The case of a model and images that are adapted to each other."""
    matched = match_model_and_images(model, images, check, choices, read, decoding)
    images = matched.images.on(device)
    return OpenedCase(
        Case(matched.model.to(device), images),
        len(images),
        origin=model.origin,
        notes=matched.notes,
        fit=matched.fit,
        reading=matched.reading,
    )


def _open_victim(
    path: Path, device: torch.device, progress: Progress, check: FitCheck
) -> OpenedCase:
    """The case that `attack` wrote, with the truth if its file is still there."""
    if path.is_file() or (path / "config.json").is_file():
        raise InputError(data_missing_message(str(path)))
    if not path.exists():
        raise InputError(f"no folder at {path}: give MODEL and DATA, or a folder that exists")
    if not is_victim(path):
        raise InputError(
            f"{path} is no victim's folder (it needs {MODEL} and {IMAGES}): give MODEL and "
            "DATA, or a folder that `backburn attack` wrote"
        )
    if not (path / TRUTH).is_file():
        case = read_case(path, device, progress)
        return OpenedCase(case, len(case.images), fit=check.measure(case.model, case.images))
    case, truth, evaluation_set = read_victim(path, device, progress)
    fit = check.measure(case.model, case.images)
    return OpenedCase(case, len(case.images), truth, evaluation_set, fit=fit)

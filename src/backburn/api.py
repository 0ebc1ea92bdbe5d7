"""The Python interface: `audit` and `repair`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from .burn.burn import BURN
from .burn.interface import Unlearning
from .data.decoding_options import DecodingOptions, Resize
from .data.review import Review, check_review
from .data.review_file import read_review
from .data.sampling import stratified_sample
from .errors import InputError
from .fit import FitCheck
from .results import Audit, Evidence, Unlearned
from .runs import Stopwatch
from .services.audit_repair import audit_case, fit_check_of, repair_case
from .services.base_and_witness import Network, Weights, check_takes_pretrained, with_pretrained
from .services.opened_case import OpenedCase
from .services.progress_displays import show_progress
from .services.python_clean_data import row_names
from .services.python_data import UserImages, read_user_images
from .services.python_model import (
    PreparedModel,
    UserModel,
    prepare_model,
    read_user_model,
    without_trainer,
)
from .services.python_results import AuditResult, RepairResult, public_result
from .services.review_outcomes import review_from_memory
from .services.time_estimate import planned_steps
from .services.undo_normalization import Normalization
from .types import Case, Index, LabeledImages, Progress


def audit(
    model: nn.Module | str | Path | Any,
    data: Any,
    labels: Any = None,
    *,
    class_names: tuple[str, ...] = (),
    arch: str | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    size: int | tuple[int, int] | None = None,
    resize: Resize | None = None,
    classes: Sequence[str] | str | Path | None = None,
    trust: bool = False,
    base: Weights | None = None,
    witness: Network | None = None,
    max_images: int | None = None,
    method: BURN | None = None,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> AuditResult:
    """Find out whether a model was backdoored by its training images, and by which of them.

    The model is left as it was.

    >>> result = backburn.audit(model, dataset)     # doctest: +SKIP
    >>> print(result)                               # doctest: +SKIP

    Args:
        model: one of the following.

            - A module that maps `(n, c, h, w)` pixels in [0, 1] to logits `(n, k)`, on any device.
            - A path, as the command line takes it.
            - A Hugging Face image classifier or pipeline.
            - A Lightning module.
        data: the training images, as one of the following.

            - With `labels`, an array or tensor of shape `(n, c, h, w)`, `(n, h, w, c)` or
              `(n, h, w)`, with 1 or 3 channels: uint8, or floats in [0, 1], rounded to 8 bits.
            - A pair of images and labels.
            - A path, or what `load_images` returned.
            - A data set of (image, label), a `DataLoader` of one, or a Hugging Face data set.
        labels: `(n,)` class numbers from 0.
        class_names: names of the classes, in the order of their numbers.
        arch: architecture of a file of weights, as `--arch`.
        mean, std: per channel in [0, 1] units, if the model expects normalized images. Images that
            are normalized already are converted back. torchvision's `Normalize` is found among the
            transforms of a data set and undone automatically.
        size: height and width to which files are decoded; the model's own by default.
        resize: how files are brought to that size: `crop`, `squash`, `letterbox` or `zoom`. By
            default the one with which the model predicts best.
        classes: the model's classes in its order, or a file with one per line. Classes of the
            images are matched by name.
        trust: open model files that run code (TorchScript, pickled modules), with a warning. Use it
            only for files that you made yourself.
        base: weights that the model was fine-tuned from: a file, a name such as `timm:resnet18`
            (downloaded if necessary), a state_dict, or a network. It gives a second opinion of
            every image, and a repair starts from it.
        witness: a network that never saw these labels and gives the second opinion in place of the
            base: a file, a name, or a module from pixels in [0, 1] to features `(n, d)`.
        max_images: audit only so many images, stratified by class. Rows in the result are still
            those of all images; the others get score 0.
        method: hyperparameters; BURN's defaults if None.
        seed: of all random numbers.
        progress: None for a bar in a terminal or notebook, True for one anywhere, False for none,
            or a function that takes phase, done and total.
    Returns:
        `verdict`, `suspects` (rows, given and restored labels), `evidence` (a score in [0, 1] for
        every image) and `boundary` (distance and crossed label for every image).
    Raises:
        InputError: images, labels and model do not fit together.
    """
    burn, stopwatch = method or BURN(), Stopwatch()
    side = size if isinstance(size, int) else None
    normalization = _normalization(mean, std)
    user_model = read_user_model(model, arch, normalization, side, trust).with_classes(classes)
    with show_progress(progress) as (callback, plan), without_trainer(user_model.network):
        user_images = _read_images(
            user_model, data, labels, class_names, normalization, size, resize, callback
        )
        prepared = _prepare(user_model, user_images, fit_check_of(burn), resize, callback)
        images, rows = prepared.images, None
        if max_images is not None:
            rows = stratified_sample(images.labels, max_images, torch.Generator().manual_seed(seed))
        opened = _open(prepared, rows, arch)
        opened = with_pretrained(opened, base, witness, None, seed)
        plan(planned_steps("audit", opened.case, burn=burn))
        more = {"max_images": max_images, **_pretrained_arguments(base, witness)}
        arguments = _record_arguments(user_model, user_images, arch, more)
        outcome = audit_case(opened, arguments, burn, seed, stopwatch, callback)
    result = cast(Audit, outcome.result)
    if rows is not None:
        result = _expand(result, rows, len(images))
    data_of_result = user_images.matched_to(images)
    return public_result(result, outcome, data_of_result)  # type: ignore[no-any-return]


def _expand(sampled: Audit, rows: Index, count: int) -> Audit:
    """The audit of a subsample, with its rows counted among all `count` images."""
    score, flagged = torch.zeros(count), torch.zeros(count, dtype=torch.bool)
    score[rows], flagged[rows] = sampled.evidence.score, sampled.evidence.flagged
    second_opinion = None
    if sampled.second_opinion is not None:
        second_opinion = torch.full((count,), -1).scatter(0, rows, sampled.second_opinion)
    return replace(
        sampled,
        suspects=replace(sampled.suspects, index=rows[sampled.suspects.index]),
        evidence=Evidence(score, flagged),
        boundary=sampled.boundary.scattered(rows, count),
        second_opinion=second_opinion,
    )


def repair(
    model: nn.Module | str | Path | Any,
    data: Any,
    labels: Any = None,
    *,
    class_names: tuple[str, ...] = (),
    arch: str | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    size: int | tuple[int, int] | None = None,
    resize: Resize | None = None,
    classes: Sequence[str] | str | Path | None = None,
    trust: bool = False,
    base: Weights | None = None,
    witness: Network | None = None,
    holdout: Any = None,
    method: Unlearning | None = None,
    review: Review | str | Path | None = None,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> RepairResult:
    """Audit a model and, if it is backdoored, return a repaired copy.

    Arguments and errors are those of `audit`. A part of the training set is enough.

    >>> result = backburn.repair(model, dataset)    # doctest: +SKIP
    >>> result.verdict.state                        # doctest: +SKIP
    'backdoored'

    Args:
        holdout: images that are known to be clean, as `data` takes them. The model is trained on
            them, too.
        method: `BURN()`, or `PaperBURN()` for the method as published.
        review: a person's decisions about suspects, or a `review.csv` whose images are row numbers.
            Rejected suspects stay clean, accepted ones are unlearned.
    Returns:
        The fields of `audit`'s result, and:

        - `model`: a repaired copy, or the given model itself if nothing was flagged. A model in
          memory comes back as the same kind, one of a file as a module on pixels in [0, 1].
        - `history`: seconds and figures of each phase.
    """
    burn, stopwatch = method or BURN(), Stopwatch()
    check_takes_pretrained(burn, base, witness)
    side = size if isinstance(size, int) else None
    normalization = _normalization(mean, std)
    user_model = read_user_model(model, arch, normalization, side, trust).with_classes(classes)
    with show_progress(progress) as (callback, plan), without_trainer(user_model.network):
        user_images = _read_images(
            user_model, data, labels, class_names, normalization, size, resize, callback
        )
        prepared = _prepare(user_model, user_images, fit_check_of(burn), resize, callback)
        opened, matched = _open(prepared, None, arch), user_images.matched_to(prepared.images)
        opened = with_pretrained(opened, base, witness, None, seed)
        if holdout is not None:
            opened = _with_holdout(
                opened, holdout, user_model, matched, class_names, size, callback
            )
        if review is not None and not isinstance(review, Review):
            review = read_review(review, opened.case.images)
        if review is not None:
            check_review(review, opened.case.images)
        plan(planned_steps("repair", opened.case, burn=burn if isinstance(burn, BURN) else None))
        more = _pretrained_arguments(base, witness)
        arguments = _record_arguments(user_model, user_images, arch, more)
        review_file = review_from_memory(review, opened)
        outcome = repair_case(
            "repair", opened, arguments, burn, seed, stopwatch, callback, review_file=review_file
        )
    repaired = cast(Unlearned, outcome.result)
    result = replace(repaired, model=prepared.restore(repaired.model))
    return public_result(result, outcome, matched)  # type: ignore[no-any-return]


def _pretrained_arguments(base: Weights | None, witness: Network | None) -> dict[str, Any]:
    """Base and witness for the record: their names, or their types if they are in memory."""
    arguments: dict[str, Any] = {}
    for name, network in (("base", base), ("witness", witness)):
        if isinstance(network, (str, Path)):
            arguments[name] = str(network)
        elif network is not None:
            arguments.update({name: type(network).__name__, "in_memory": True})
    return arguments


def _normalization(
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> Normalization | None:
    """Mean and standard deviation as a pair; None if neither is given."""
    if (mean is None) != (std is None):
        raise InputError("mean without std, or std without mean: give both")
    return None if mean is None or std is None else (tuple(mean), tuple(std))


def _read_images(
    model: UserModel,
    data: Any,
    labels: Any,
    class_names: tuple[str, ...],
    normalization: Normalization | None,
    size: int | tuple[int, int] | None,
    resize: Resize | None,
    progress: Progress,
) -> UserImages:
    """Read the images with the caller's normalization and size, or else the model's."""
    return read_user_images(
        data,
        labels,
        class_names=class_names,
        normalization=normalization or model.normalization,
        size=size or model.size,
        decoding=DecodingOptions(resize or "crop"),
        progress=progress,
    )


def _prepare(
    model: UserModel,
    user_images: UserImages,
    check: FitCheck,
    resize: Resize | None,
    progress: Progress,
) -> PreparedModel:
    """Match model and images; images in files may be decoded again."""
    height, width = user_images.images.pixels.shape[2:]
    read = user_images.reader((height, width), progress)
    decoding = None if resize is None else DecodingOptions(resize)
    return prepare_model(
        model, user_images.images, user_images.normalization, check, read, decoding
    )


def _with_holdout(
    opened: OpenedCase,
    holdout: Any,
    model: UserModel,
    user_images: UserImages,
    class_names: tuple[str, ...],
    size: int | tuple[int, int] | None,
    progress: Progress,
) -> OpenedCase:
    """The case with a holdout; files are decoded as the training images were."""
    if isinstance(holdout, (str, Path)):
        return opened.load_holdout(str(holdout), progress)
    normalization = user_images.normalization
    images = _read_images(
        model, holdout, None, class_names, normalization, size, None, progress
    ).images
    if user_images.class_order and not images.class_names:
        images = replace(images, labels=user_images.model_labels(images.labels))
    return opened.with_holdout(images, "holdout")


def _open(prepared: PreparedModel, rows: Index | None, arch: str | None) -> OpenedCase:
    """The case of all images, or of some rows; these keep their row numbers as names."""
    images: LabeledImages = prepared.images
    if rows is not None:
        images = replace(images, names=row_names(images)).take(rows)
    return OpenedCase(
        Case(prepared.model, images),
        len(prepared.images),
        origin=prepared.origin,
        arch=arch,
        notes=prepared.notes,
        fit=prepared.fit,
        reading=prepared.reading,
    )


def _record_arguments(
    model: UserModel, data: UserImages, arch: str | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments for the record: paths if the caller passed any, so that a command can repeat it."""
    arguments = {
        "model": model.path or type(model.network).__name__,
        "data": data.path or type(data.source).__name__,
        "arch": arch,
        **more,
    }
    memory = {} if model.path and data.path else {"in_memory": True}
    return {**{name: value for name, value in arguments.items() if value is not None}, **memory}

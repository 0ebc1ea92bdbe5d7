"""The public face: audit and repair whatever model and images Python code has at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from .burn.burn import BURN
from .burn.interface import Unlearning
from .data.decoding_options import Resize, Way
from .data.review import Review, check_review
from .data.review_file import read_review
from .data.sampling import stratified
from .errors import InputError
from .fit import FitCheck
from .runs import Stopwatch
from .services.apply_review import reviewed_in_memory
from .services.audit_repair import audit_case, fit_check_of, repair_case
from .services.base_and_witness import Network, Weights, check_used, with_pretrained
from .services.clean_dataset import rows_of
from .services.normalized_datasets import Normalization
from .services.opened_case import Opened
from .services.progress import shown
from .services.python_data import GivenImages, given_images
from .services.python_model import GivenModel, ReadyModel, given_model, ready, without_trainer
from .services.python_results import AuditResult, RepairResult, of_result
from .services.time_estimate import planned_steps
from .types import Audit, Case, Evidence, Index, LabeledImages, Progress, Unlearned


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
    """Say whether a model was backdoored by its training images, and by which of them.

    >>> result = backburn.audit(model, dataset)     # doctest: +SKIP
    >>> print(result)                               # doctest: +SKIP

    Args:
        model: a module that maps `(n, c, h, w)` pixels in [0, 1] to logits `(n, k)`, on any device;
            a path, as the command line takes it; a Hugging Face image classifier or pipeline; a
            Lightning module. It is left as it was.
        data: the training images. With `labels`, an array or tensor: `(n, c, h, w)` or
            `(n, h, w, c)` with 1 or 3 channels, or `(n, h, w)`; uint8, or floats in [0, 1], rounded
            to 8 bits. Without, a pair of these; a path; what `load_images` returned; a data set of
            (image, label); a `DataLoader` of one; or a Hugging Face data set.
        labels: `(n,)` class numbers from 0, as the training set has them.
        arch: the network of weights in a file, as `--arch`.
        mean, std: of each channel in [0, 1] units, where the model wants normalized images. Images
            that are normalized already are brought back by them. torchvision's `Normalize` is
            found among a data set's transforms, and undone, without being told.
        size: height and width of images that are not decoded yet; the model's own by default.
        resize: how files of another shape are made that size: `crop`, `squash`, `letterbox` or
            `zoom`; the one that the model knows best where it is left open.
        classes: the model's classes in its order, or a file with one a line; those of the images
            are matched by name.
        trust: open a model's file that runs code, too (TorchScript, pickled modules): only one that
            you made yourself. It is warned of each time.
        base: what the model was fine-tuned from: a file of weights, a name such as `timm:resnet18`
            (downloaded where it is not at hand), a state_dict, or a network. It gives a second
            opinion of every image, and a repair begins from it.
        witness: a network that never saw these labels and gives that opinion in place of the base:
            a file, a name, or a module from pixels in [0, 1] to features `(n, d)`.
        max_images: look at so many images only, of every class its share; rows in the result
            are those of all images, and nothing is found for the others.
        method: hyperparameters; BURN's defaults where None.
        progress: a bar in a terminal or notebook by default; False for none; or a function.
    Returns:
        `verdict`, `suspects` (rows, given and restored labels), `evidence` (a score in [0, 1] for
        every image) and `boundary` (distance and crossed label for every image).
    Raises:
        InputError: images, labels or a model that do not fit together.
    """
    burn, watch = method or BURN(), Stopwatch()
    side = size if isinstance(size, int) else None
    chosen = given_model(model, arch, _both(mean, std), side, trust).listing(classes)
    with shown(progress) as (told, plan), without_trainer(chosen.network):
        known = _both(mean, std)
        given = _images(chosen, data, labels, class_names, known, size, resize, told)
        fitted = _ready(chosen, given, fit_check_of(burn), resize, told)
        whole, rows = fitted.images, None
        if max_images is not None:
            rows = stratified(whole.labels, max_images, torch.Generator().manual_seed(seed))
        opened = _opened(fitted, rows, arch)
        opened = with_pretrained(opened, base, witness, None, seed)
        plan(planned_steps("audit", opened.case, burn=burn))
        more = {"max_images": max_images, **_seconds(base, witness)}
        said = _arguments(chosen, given, arch, more)
        outcome = audit_case(opened, said, burn, seed, watch, told)
    result = cast(Audit, outcome.result)
    if rows is not None:
        result = _of_all(result, rows, len(whole))
    return of_result(result, outcome, given.of_model(whole))  # type: ignore[no-any-return]


def _of_all(part: Audit, rows: Index, count: int) -> Audit:
    """What was found of some rows, as rows of all `count` images."""
    score, flagged = torch.zeros(count), torch.zeros(count, dtype=torch.bool)
    score[rows], flagged[rows] = part.evidence.score, part.evidence.flagged
    suspects = replace(part.suspects, index=rows[part.suspects.index])
    boundary = part.boundary.scattered(rows, count)
    second = None
    if part.second_opinion is not None:
        second = torch.full((count,), -1).scatter(0, rows, part.second_opinion)
    return replace(
        part,
        suspects=suspects,
        evidence=Evidence(score, flagged),
        boundary=boundary,
        second_opinion=second,
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
    """Audit a model, and where it is backdoored, return a repaired copy.

    Arguments and errors are those of `audit`, and part of the training set is enough.

    Args:
        holdout: images that are known to be clean, as `data` takes them; they are trained on, too.
        method: `BURN()`, or `PaperBURN()` for the method as published.
        review: what a person decided about suspects, or a `review.csv` whose images are row
            numbers; rejected ones stay clean, accepted ones are unlearned.
    Returns:
        As `audit` does, and `model`: a repaired copy, or the given model itself where nothing was
        flagged; `history`: seconds and figures of each phase. A model in memory comes back as the
        kind that it was, one of a file as a module on pixels in [0, 1].
    """
    burn, watch = method or BURN(), Stopwatch()
    check_used(burn, base, witness)
    side = size if isinstance(size, int) else None
    chosen = given_model(model, arch, _both(mean, std), side, trust).listing(classes)
    with shown(progress) as (told, plan), without_trainer(chosen.network):
        known = _both(mean, std)
        given = _images(chosen, data, labels, class_names, known, size, resize, told)
        fitted = _ready(chosen, given, fit_check_of(burn), resize, told)
        opened, kept = _opened(fitted, None, arch), given.of_model(fitted.images)
        opened = with_pretrained(opened, base, witness, None, seed)
        if holdout is not None:
            opened = _trusting(opened, holdout, chosen, kept, class_names, size, told)
        if review is not None and not isinstance(review, Review):
            review = read_review(review, opened.case.images)
        if review is not None:
            check_review(review, opened.case.images)
        plan(planned_steps("repair", opened.case, burn=burn if isinstance(burn, BURN) else None))
        said = _arguments(chosen, given, arch, _seconds(base, witness))
        decided = reviewed_in_memory(review, opened)
        outcome = repair_case("repair", opened, said, burn, seed, watch, told, reviewed=decided)
    repaired = cast(Unlearned, outcome.result)
    result = replace(repaired, model=fitted.own(repaired.model))
    return of_result(result, outcome, kept)  # type: ignore[no-any-return]


def _seconds(base: Weights | None, witness: Network | None) -> dict[str, Any]:
    """What a record says of them: names as they were given, kinds of what was in memory."""
    said: dict[str, Any] = {}
    for name, each in (("base", base), ("witness", witness)):
        if isinstance(each, (str, Path)):
            said[name] = str(each)
        elif each is not None:
            said.update({name: type(each).__name__, "in_memory": True})
    return said


def _both(mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> Normalization | None:
    if (mean is None) != (std is None):
        raise InputError("mean without std, or std without mean: give both")
    return None if mean is None or std is None else (tuple(mean), tuple(std))


def _images(
    model: GivenModel,
    data: Any,
    labels: Any,
    class_names: tuple[str, ...],
    normalization: Normalization | None,
    size: int | tuple[int, int] | None,
    resize: Resize | None,
    progress: Progress,
) -> GivenImages:
    known = normalization or model.normalization
    wanted = size or model.size
    return given_images(
        data,
        labels,
        class_names=class_names,
        normalization=known,
        size=wanted,
        way=Way(resize or "crop"),
        progress=progress,
    )


def _ready(
    model: GivenModel,
    given: GivenImages,
    check: FitCheck,
    resize: Resize | None,
    progress: Progress,
) -> ReadyModel:
    """Model and images as they fit, read again where the model wants them read otherwise."""
    height, width = given.images.pixels.shape[2:]
    read = given.reader((height, width), progress)
    way = None if resize is None else Way(resize)
    return ready(model, given.images, given.normalization, check, read, way)


def _trusting(
    opened: Opened,
    holdout: Any,
    model: GivenModel,
    given: GivenImages,
    class_names: tuple[str, ...],
    size: int | tuple[int, int] | None,
    progress: Progress,
) -> Opened:
    """The case with a holdout; one in files is read as the training images were."""
    if isinstance(holdout, (str, Path)):
        return opened.trusting(str(holdout), progress)
    known = given.normalization
    found = _images(model, holdout, None, class_names, known, size, None, progress)
    images = found.images
    if given.order and not images.class_names:
        images = replace(images, labels=given.model_labels(images.labels))
    return opened.with_holdout(images, "holdout")


def _opened(fitted: ReadyModel, rows: Index | None, arch: str | None) -> Opened:
    """The case, or part of its images, which keep the names of their rows."""
    images: LabeledImages = fitted.images
    if rows is not None:
        images = replace(images, names=rows_of(images)).take(rows)
    return Opened(
        Case(fitted.model, images),
        len(fitted.images),
        origin=fitted.origin,
        arch=arch,
        notes=fitted.notes,
        fit=fitted.fit,
        reading=fitted.reading,
    )


def _arguments(
    model: GivenModel, data: GivenImages, arch: str | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """What a record says: paths, where they were given, so that a command can go by the run."""
    said = {
        "model": model.path or type(model.network).__name__,
        "data": data.path or type(data.given).__name__,
        "arch": arch,
        **more,
    }
    memory = {} if model.path and data.path else {"in_memory": True}
    return {**{name: value for name, value in said.items() if value is not None}, **memory}

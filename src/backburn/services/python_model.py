"""Reading the model that a Python caller passes, and adapting it to its images."""

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.decoding_options import DecodingOptions
from ..errors import InputError
from ..fit import FitCheck, FitResult
from ..fit.channel_count import check_channels, match_channels
from ..fit.class_matching import make_label_check, to_model_order
from ..fit.find_reading import ReadImages
from ..fit.readings import Reading, ReadingChoices
from ..models.inference import device_of, frozen
from ..models.input_check import check_fit
from ..models.open.class_lists import parse_class_names, read_classes
from ..models.open.open_model import open_model
from ..models.open.opened_model import OpenedModel, Origin
from ..models.outputs import LINK_DESCRIPTIONS, Link, detect_link, locate_outputs, take_outputs
from ..models.wrapping import WrappedModel, needs_contiguous, probe_network
from ..types import LabeledImages
from .match_model import match_model_and_images
from .probability_layers import RestoreModel, model_restorer, unchanged, without_probabilities
from .undo_normalization import Normalization

IN_MEMORY = Origin("safetensors", "model.safetensors")
"""Format in which a run stores a repaired model that came from memory."""


@dataclass(frozen=True, slots=True)
class UserModel:
    """A model as a Python caller passed it, before it is matched to images.

    Args:
        network: a module, or a model opened from a file.
        normalization: that the model expects, if it is known.
        size: height and width of its images, if they are known.
        path: of the model, if the caller passed one.
        normalization_from_user: whether the caller gave the normalization.
        class_names: in the model's order, if the caller listed them.
    """

    network: nn.Module | OpenedModel
    normalization: Normalization | None = None
    size: tuple[int, int] | None = None
    path: str | None = None
    normalization_from_user: bool = False
    class_names: tuple[str, ...] = ()

    def with_classes(self, classes: Sequence[str] | str | Path | None) -> "UserModel":
        """The model with a list of its classes, or of the file that holds one.

        Raises:
            InputError: the file is no list of classes.
        """
        if classes is None:
            return self
        is_file = isinstance(classes, (str, Path))
        names = read_classes(Path(classes)) if is_file else tuple(map(str, classes))  # type: ignore[arg-type]
        network = self.network
        if isinstance(network, OpenedModel):
            network = replace(network, class_names=names, class_names_source="classes")
        return replace(self, network=network, class_names=names)


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A model on pixels in [0, 1] and the images adapted to it.

    Args:
        model: maps `(n, c, h, w)` pixels in [0, 1] to logits `(n, k)`.
        images: as the model takes them.
        origin: format of the model's file, if it came from one.
        notes: lines that a person should read.
        restore: gives a repaired model the form in which the caller passed the original.
        fit: how well the model predicts the labels of its images.
        reading: how the images were decoded and normalized.
    """

    model: nn.Module
    images: LabeledImages
    origin: Origin | None = None
    notes: tuple[str, ...] = ()
    restore: RestoreModel = unchanged
    fit: FitResult | None = None
    reading: Reading = field(default_factory=Reading)


def read_user_model(
    model: Any,
    arch: str | None = None,
    normalization: Normalization | None = None,
    side: int | None = None,
    trust: bool = False,
) -> UserModel:
    """Read a model from a path, a Hugging Face pipeline, or a module.

    Args:
        arch: architecture of weights in a file.
        normalization: that the model expects, if the caller gives it.
        side: height and width of the images in pixels, if the caller gives them.
        trust: open files that run code, too.
    Raises:
        InputError: another kind of object, or a file that cannot be opened.
    """
    if isinstance(model, (str, Path)):
        mean, std = normalization or (None, None)
        opened = open_model(model, arch, mean, std, side, trust)
        return UserModel(opened, opened.normalization, opened.input_size, str(model))
    if arch is not None:
        raise InputError("arch names the network of a file: leave it out for a model in memory")
    if isinstance(model, nn.Module):
        size = _sides(getattr(getattr(model, "config", None), "image_size", None))
        return UserModel(
            model, normalization, size, normalization_from_user=normalization is not None
        )
    network, processor = getattr(model, "model", None), getattr(model, "image_processor", None)
    if isinstance(network, nn.Module) and processor is not None:
        return UserModel(
            network,
            normalization or _processor_normalization(processor),
            _processor_size(processor),
            normalization_from_user=normalization is not None,
        )
    raise InputError(
        f"{type(model).__name__} is no model: give a path, a torch module, or an image "
        "classification pipeline"
    )


def prepare_model(
    user_model: UserModel,
    images: LabeledImages,
    normalization: Normalization | None,
    check: FitCheck,
    read: ReadImages | None = None,
    decoding: DecodingOptions | None = None,
) -> PreparedModel:
    """Adapt a model to pixels in [0, 1] and the images to the model.

    A module that returns a tensor, and whose normalization is unknown, takes pixels in [0, 1]. A
    network that ends in probabilities is used without its last layer, or by their logarithms.

    Args:
        normalization: of the images' data set.
        check: accuracy that the model must reach on its images.
        read: decodes the images again; None if they are not in files.
        decoding: how the images were decoded, if the caller chose it.
    Raises:
        InputError: the network does not take such images.
    """
    network = user_model.network
    normalization = user_model.normalization or normalization
    if isinstance(network, OpenedModel):
        opened = replace(network, normalization=normalization) if normalization else network
        return _match(opened, images, check, read, decoding, opened.origin)
    images = to_model_order(images, user_model.class_names, "the data")
    attribute = _logits_attribute(network, images)
    link = _output_link(network, images, attribute)
    contiguous = _needs_contiguous(network, images)
    if attribute == "" and normalization is None and link == "logits" and not contiguous:
        check_fit(network, images)
        return PreparedModel(network, images, fit=check.measure(network, images))
    if attribute != "logits" and normalization is None:
        normalization = ((0.0,) * images.pixels.shape[1], (1.0,) * images.pixels.shape[1])
    if device_of(network).type != "cpu":  # networks are probed on the CPU only
        if normalization is None:
            raise InputError("give mean=(...) and std=(...) of a model that is not on the CPU")
        wrapped = WrappedModel(network, normalization, attribute, link, contiguous=contiguous).to(
            device_of(network)
        )
        check_fit(wrapped, images)
        link_notes = (LINK_DESCRIPTIONS[link],) if link in LINK_DESCRIPTIONS else ()
        fit = check.measure(wrapped, images)
        restore = model_restorer(network, network)
        return PreparedModel(wrapped, images, None, link_notes, restore, fit)
    size = user_model.size or (int(images.pixels.shape[-2]), int(images.pixels.shape[-1]))
    logits_network = network
    notes: tuple[str, ...] = ()
    if link != "logits":
        logits_network, notes = without_probabilities(network, images)
    with frozen(logits_network):
        signature = probe_network(
            logits_network, _possible_channels(images), size, images.class_count
        )
    opened = OpenedModel(
        logits_network,
        signature,
        size,
        normalization,
        notes,
        IN_MEMORY,
        normalization_from_user=user_model.normalization_from_user,
    )
    if signature.link in LINK_DESCRIPTIONS:
        opened = replace(opened, report=(*notes, LINK_DESCRIPTIONS[signature.link]))
    opened = _with_class_names(opened, user_model.class_names, network)
    restore = model_restorer(network, logits_network)
    return _match(opened, images, check, read, decoding, None, restore)


def _match(
    opened: OpenedModel,
    images: LabeledImages,
    check: FitCheck,
    read: ReadImages | None,
    decoding: DecodingOptions | None,
    origin: Origin | None,
    restore: RestoreModel = unchanged,
) -> PreparedModel:
    """Match an opened model and its images."""
    check_channels(opened.channels)
    make_label_check(opened.classes, opened.class_names, "the data")(
        images.labels.tolist(), images.class_names
    )
    images = to_model_order(images, opened.class_names, "the data")
    choices = ReadingChoices(
        names=() if opened.class_names or read is None else images.class_names,
        resize=read is not None and decoding is None,
        options=() if opened.normalization_from_user else ("mean and std",),
    )

    def read_again(other: DecodingOptions, only: Container[str] | None) -> LabeledImages:
        again = to_model_order(read(other, only), opened.class_names, "the data")  # type: ignore[misc]
        return match_channels(again, opened.channels)[0]

    matched = match_model_and_images(
        opened, images, check, choices, None if read is None else read_again, decoding
    )
    return PreparedModel(
        matched.model,
        matched.images,
        origin,
        matched.notes,
        restore,
        matched.fit,
        matched.reading,
    )


def _with_class_names(
    opened: OpenedModel, class_names: tuple[str, ...], network: nn.Module
) -> OpenedModel:
    """The model with the caller's class names, or those of its Hugging Face configuration."""
    if class_names:
        return replace(opened, class_names=class_names, class_names_source="classes")
    names = parse_class_names(getattr(getattr(network, "config", None), "id2label", None))
    if len(names) != opened.classes:
        return opened
    return replace(opened, class_names=names, class_names_source="the model's config (id2label)")


def _possible_channels(images: LabeledImages) -> tuple[int, ...]:
    """Channel counts that the network may expect of such images."""
    return (3,) if images.pixels.shape[1] == 3 else (1, 3)


def _logits_attribute(network: nn.Module, images: LabeledImages) -> str | int:
    """Where the output holds the logits, see `locate_outputs`; empty if it is a tensor."""
    kind = type(getattr(network, "config", None)).__name__
    if kind.endswith("Config") and hasattr(network, "save_pretrained"):
        return "logits"
    few = images.pixels[:2].to(device_of(network)).float() / 255
    try:
        with frozen(network), torch.inference_mode():
            return locate_outputs(network(few), images.class_count)
    except Exception:  # `check_fit` reports it in one line
        return ""


def _needs_contiguous(network: nn.Module, images: LabeledImages) -> bool:
    few = images.pixels[:2].to(device_of(network)).float() / 255
    with frozen(network):
        return needs_contiguous(network, few)


def _output_link(network: nn.Module, images: LabeledImages, attribute: str | int) -> Link:
    """The kind of a network's outputs; logits if the network fails, which is reported later."""
    few = images.pixels[:2].to(device_of(network)).float() / 255

    def ask(probe: Tensor) -> Tensor:
        outputs: Tensor = take_outputs(network(probe), attribute)
        return outputs

    try:
        with frozen(network), torch.inference_mode():
            return detect_link(ask, few)
    except Exception:  # a foreign network may fail in any way
        return "logits"


def _processor_normalization(processor: Any) -> Normalization | None:
    """The normalization of a Hugging Face image processor; None if it is incomplete."""
    if not getattr(processor, "do_normalize", False):
        return ((0.0,) * 3, (1.0,) * 3)
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    if mean is None or std is None:
        return None
    return tuple(map(float, mean)), tuple(map(float, std))


def _processor_size(processor: Any) -> tuple[int, int] | None:
    """Height and width of a Hugging Face image processor's output; None if unknown."""
    for name in ("crop_size", "size"):
        size = getattr(processor, name, None)
        sides = _sides(dict(size) if isinstance(size, Mapping) else size)
        if sides is not None:
            return sides
    return None


def _sides(size: Any) -> tuple[int, int] | None:
    """Height and width from a configuration's size: a mapping, a pair or a number."""
    if isinstance(size, Mapping):
        short = size.get("shortest_edge")
        sides = (size.get("height", short), size.get("width", short))
        return (int(sides[0]), int(sides[1])) if all(sides) else None
    if isinstance(size, (tuple, list)) and len(size) == 2:
        return int(size[0]), int(size[1])
    return (int(size), int(size)) if isinstance(size, int) and size else None


@contextmanager
def without_trainer(model: nn.Module | OpenedModel) -> Iterator[None]:
    """Detach a Lightning module's trainer within the block, as it cannot be copied."""
    trainer = vars(model).get("_trainer") if isinstance(model, nn.Module) else None
    if trainer is None:
        yield
        return
    vars(model)["_trainer"] = None
    try:
        yield
    finally:
        vars(model)["_trainer"] = trainer

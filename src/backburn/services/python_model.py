"""A model as Python code has it: a path, a module, a Hugging Face model, a pipeline."""

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.decoding_options import Way
from ..errors import InputError
from ..fit import Fit, FitCheck
from ..fit.channels import check_channels, in_channels
from ..fit.class_matching import check_counts, in_order
from ..fit.find_reading import Read
from ..fit.readings import Choices, Reading
from ..models.inference import device_of, frozen
from ..models.input_check import check_fit
from ..models.open.class_lists import names_in, read_classes
from ..models.open.open_model import open_model
from ..models.open.opened_model import OpenedModel, Origin
from ..models.outputs import SAID, Link, link_of
from ..models.wrapping import Wrapped, examined
from ..types import LabeledImages
from .fit_check import fitted
from .normalized_datasets import Normalization
from .probability_ends import Own, own_of, same, without_end

IN_MEMORY = Origin("safetensors", "model.safetensors")


@dataclass(frozen=True, slots=True)
class GivenModel:
    """A model before it is known what images it meets.

    Args:
        network: a module, or what was opened from a file.
        normalization: of its images, where the model says it.
        size: height and width of its images, where it says them.
        path: where it lies, if it was named by a path.
        told: whether the caller said the normalization.
        class_names: its classes in its order, where the caller lists them.
    """

    network: nn.Module | OpenedModel
    normalization: Normalization | None = None
    size: tuple[int, int] | None = None
    path: str | None = None
    told: bool = False
    class_names: tuple[str, ...] = ()

    def listing(self, classes: Sequence[str] | str | Path | None) -> "GivenModel":
        """The model with a list of its classes, or the file that has one.

        Raises:
            InputError: a file that is no such list.
        """
        if classes is None:
            return self
        is_file = isinstance(classes, (str, Path))
        names = read_classes(Path(classes)) if is_file else tuple(map(str, classes))  # type: ignore[arg-type]
        network = self.network
        if isinstance(network, OpenedModel):
            network = replace(network, class_names=names, names_from="classes")
        return replace(self, network=network, class_names=names)


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """A model on pixels in [0, 1], the images as it takes them, and what to say of both.

    `own` gives back what the caller had in place of what we made of it; `fit` is how well the model
    knows the images, and `reading` how these were read.
    """

    model: nn.Module
    images: LabeledImages
    origin: Origin | None = None
    notes: tuple[str, ...] = ()
    own: Own = same
    fit: Fit | None = None
    reading: Reading = field(default_factory=Reading)


def given_model(
    model: Any,
    arch: str | None = None,
    normalization: Normalization | None = None,
    side: int | None = None,
    trust: bool = False,
) -> GivenModel:
    """The model of a path, of a pipeline, or a module.

    Args:
        side: pixels a side of its images, where a caller says them.
        trust: open a file that runs code, too.
    Raises:
        InputError: none of these, or a file that cannot be opened.
    """
    if isinstance(model, (str, Path)):
        mean, std = normalization or (None, None)
        opened = open_model(model, arch, mean, std, side, trust)
        return GivenModel(opened, opened.normalization, opened.input_size, str(model))
    if arch is not None:
        raise InputError("arch names the network of a file: leave it out for a model in memory")
    if isinstance(model, nn.Module):
        size = _sides(getattr(getattr(model, "config", None), "image_size", None))
        return GivenModel(model, normalization, size, told=normalization is not None)
    network, processor = getattr(model, "model", None), getattr(model, "image_processor", None)
    if isinstance(network, nn.Module) and processor is not None:
        told = normalization or _of_processor(processor)
        size = _size_of_processor(processor)
        return GivenModel(network, told, size, told=normalization is not None)
    raise InputError(
        f"{type(model).__name__} is no model: give a path, a torch module, or an image "
        "classification pipeline"
    )


def ready(
    given: GivenModel,
    images: LabeledImages,
    normalization: Normalization | None,
    check: FitCheck,
    read: Read | None = None,
    way: Way | None = None,
) -> ReadyModel:
    """The model on pixels in [0, 1] together with the images.

    A module that returns a tensor and of which no normalization is known takes pixels in [0, 1].
    One that ends in probabilities is looked at without its last layer, or by their logarithms.

    Args:
        normalization: that of the images' data set.
        check: what the model has to do on its images.
        read: reads the images again in another way; None where they cannot be.
        way: how they were read, where a user says it.
    Raises:
        InputError: a network that takes no such images.
    """
    network, known = given.network, given.normalization or normalization
    if isinstance(network, OpenedModel):
        opened = replace(network, normalization=known) if known else network
        return _fitted(opened, images, check, read, way, opened.origin)
    images = in_order(images, given.class_names, "the data")
    unwrap = _logits_of(network, images)
    link = _link_of(network, images, unwrap)
    if not unwrap and known is None and link == "logits":
        check_fit(network, images)
        return ReadyModel(network, images, fit=check.measure(network, images))
    if not unwrap and known is None:
        known = ((0.0,) * images.pixels.shape[1], (1.0,) * images.pixels.shape[1])
    if device_of(network).type != "cpu":  # what a network takes is found out on the CPU only
        if known is None:
            raise InputError("give mean=(...) and std=(...) of a model that is not on the CPU")
        wrapped = Wrapped(network, known, unwrap, link).to(device_of(network))
        check_fit(wrapped, images)
        notes = (SAID[link],) if link in SAID else ()
        fit = check.measure(wrapped, images)
        return ReadyModel(wrapped, images, None, notes, own_of(network, network), fit)
    shape = given.size or (int(images.pixels.shape[-2]), int(images.pixels.shape[-1]))
    shown, lines = (network, ()) if link == "logits" else without_end(network, images)
    with frozen(shown):
        nature = examined(shown, _channels(images), shape)
    opened = OpenedModel(shown, nature, shape, known, lines, IN_MEMORY, told=given.told)
    if nature.link in SAID:
        opened = replace(opened, report=(*lines, SAID[nature.link]))
    opened = _with_names(opened, given.class_names, network)
    return _fitted(opened, images, check, read, way, None, own_of(network, shown))


def _fitted(
    opened: OpenedModel,
    images: LabeledImages,
    check: FitCheck,
    read: Read | None,
    way: Way | None,
    origin: Origin | None,
    own: Own = same,
) -> ReadyModel:
    check_channels(opened.channels)
    check_counts(opened.classes, opened.class_names, "the data")(
        images.labels.tolist(), images.class_names
    )
    images = in_order(images, opened.class_names, "the data")
    choices = Choices(
        names=() if opened.class_names or read is None else images.class_names,
        resize=read is not None and way is None,
        options=() if opened.told else ("mean and std",),
    )

    def again(other: Way, only: Container[str] | None) -> LabeledImages:
        found = in_order(read(other, only), opened.class_names, "the data")  # type: ignore[misc]
        return in_channels(found, opened.channels)[0]

    found = fitted(opened, images, check, choices, None if read is None else again, way)
    return ReadyModel(found.model, found.images, origin, found.notes, own, found.fit, found.reading)


def _with_names(opened: OpenedModel, listed: tuple[str, ...], network: nn.Module) -> OpenedModel:
    """With the classes that the caller lists, or the configuration of a Hugging Face model."""
    if listed:
        return replace(opened, class_names=listed, names_from="classes")
    names = names_in(getattr(getattr(network, "config", None), "id2label", None))
    if len(names) != opened.classes:
        return opened
    return replace(opened, class_names=names, names_from="the model's config (id2label)")


def _channels(images: LabeledImages) -> tuple[int, ...]:
    return (3,) if images.pixels.shape[1] == 3 else (1, 3)


def _logits_of(network: nn.Module, images: LabeledImages) -> str:
    """`logits` where the network returns a record that has them, else nothing."""
    kind = type(getattr(network, "config", None)).__name__
    if kind.endswith("Config") and hasattr(network, "save_pretrained"):
        return "logits"
    few = images.pixels[:2].to(device_of(network)).float() / 255
    try:
        with frozen(network), torch.inference_mode():
            out = network(few)
    except Exception:  # said in one line by what fits model and images together
        return ""
    return "logits" if isinstance(getattr(out, "logits", None), torch.Tensor) else ""


def _link_of(network: nn.Module, images: LabeledImages, unwrap: str) -> Link:
    """What a network's outputs are; logits where it cannot be asked, which is said elsewhere."""
    few = images.pixels[:2].to(device_of(network)).float() / 255

    def ask(probe: Tensor) -> Tensor:
        out = network(probe)
        said: Tensor = getattr(out, unwrap) if unwrap else out
        return said

    try:
        with frozen(network), torch.inference_mode():
            return link_of(ask, few)
    except Exception:  # a stranger's network may fail in any way
        return "logits"


def _of_processor(processor: Any) -> Normalization | None:
    if not getattr(processor, "do_normalize", False):
        return ((0.0,) * 3, (1.0,) * 3)
    mean, std = getattr(processor, "image_mean", None), getattr(processor, "image_std", None)
    if mean is None or std is None:
        return None
    return tuple(map(float, mean)), tuple(map(float, std))


def _size_of_processor(processor: Any) -> tuple[int, int] | None:
    for name in ("crop_size", "size"):
        held = getattr(processor, name, None)
        sides = _sides(dict(held) if isinstance(held, Mapping) else held)
        if sides is not None:
            return sides
    return None


def _sides(said: Any) -> tuple[int, int] | None:
    """Height and width, as configurations spell them."""
    if isinstance(said, Mapping):
        short = said.get("shortest_edge")
        sides = (said.get("height", short), said.get("width", short))
        return (int(sides[0]), int(sides[1])) if all(sides) else None
    if isinstance(said, (tuple, list)) and len(said) == 2:
        return int(said[0]), int(said[1])
    return (int(said), int(said)) if isinstance(said, int) and said else None


@contextmanager
def without_trainer(model: nn.Module | OpenedModel) -> Iterator[None]:
    """A Lightning module parted from its trainer while copies of it are made; restored after."""
    trainer = vars(model).get("_trainer") if isinstance(model, nn.Module) else None
    if trainer is None:
        yield
        return
    vars(model)["_trainer"] = None
    try:
        yield
    finally:
        vars(model)["_trainer"] = trainer

"""A model as it was opened, and how it was stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from ...errors import InputError
from ..classifier import Classifier
from ..outputs import SAID
from ..wrapping import TRIED, Nature, Wrapped, wrap
from .network_names import Normalization

Container: TypeAlias = Literal["safetensors", "torch", "huggingface", "torchscript"]


@dataclass(frozen=True, slots=True)
class Origin:
    """How a model was stored, so that another can be stored in the same way.

    `names` are the file's names of the network's weights, `types` the types of numbers they had,
    `twins` the names of other copies of them, each with the keys that lead to its table, `held`
    everything that was in the file, `beside` small files that belong to the model.
    """

    container: Container
    file: str
    keys: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, torch.dtype] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, bytes] = field(default_factory=dict)
    twins: tuple[tuple[tuple[str, ...], Mapping[str, str]], ...] = ()
    held: Any = None


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """A model as it was found, and what is known of it.

    `network` is on normalized images, unless it is built in and normalizes inside. `input_size`
    (height and width) and `normalization` are None where nothing says them; `report` says in
    lines for people what was found. `class_names` are the model's classes in its order, as
    `names_from` lists them; empty where nothing does. `told`: the user said the normalization.
    """

    network: nn.Module
    nature: Nature
    input_size: tuple[int, int] | None
    normalization: Normalization | None
    report: tuple[str, ...]
    origin: Origin
    class_names: tuple[str, ...] = ()
    names_from: str = ""
    told: bool = False

    @property
    def classes(self) -> int:
        return self.nature.classes

    @property
    def channels(self) -> int:
        return self.nature.channels

    @property
    def settled(self) -> bool:
        """Whether the network takes pixels in [0, 1] as it is."""
        return isinstance(self.network, Classifier)

    def normalized(self, normalization: Normalization, bgr: bool = False) -> Wrapped:
        """The network on pixels in [0, 1], which it normalizes in this way.

        Args:
            bgr: its channels are blue, green and red, as OpenCV reads them.
        """
        return wrap(self.network, self.nature, normalization, bgr)


def described(opened: OpenedModel) -> OpenedModel:
    """The model with the size of images that it insists on, and a line about what it takes.

    Raises:
        InputError: a normalization that is not for such images.
    """
    nature, told = opened.nature, opened.normalization
    if opened.settled and told is not None:
        raise InputError("a built-in network normalizes inside: leave out mean and std")
    if told is not None and {len(told[0]), len(told[1])} != {nature.channels}:
        raise InputError(
            f"mean and std are for {len(told[0])} channels, the model takes {nature.channels}"
        )
    if told is not None and not all(value > 0 for value in told[1]):
        raise InputError(f"std is {told[1]}: give values above 0")
    wanted = opened.input_size or (None if nature.size == TRIED[0] else nature.size)
    size = "x".join(map(str, wanted)) if wanted else "any size"
    line = f"{nature.classes} classes, {nature.channels} channels, images of {size}"
    features = "" if nature.head else "; its features are not known"
    said = (line + features, *([SAID[nature.link]] if nature.link in SAID else []))
    return replace(opened, input_size=wanted, report=(*opened.report, *said))

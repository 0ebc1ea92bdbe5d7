"""The record of an opened model, and of the format that it was stored in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import torch
from torch import nn

from ...errors import InputError
from ..nets.base import Classifier
from ..outputs import LINK_DESCRIPTIONS
from ..wrapping import PROBE_SIZES, NetworkSignature, WrappedModel, wrap
from .find_network import Normalization

Container: TypeAlias = Literal["safetensors", "torch", "huggingface", "torchscript"]


@dataclass(frozen=True, slots=True)
class Origin:
    """The format that a model was stored in, so that another can be stored in the same way.

    Args:
        container: the kind of file.
        file: the name of the file.
        keys: the path to the state_dict in the file's nested tables.
        names: the file's names of the network's weights.
        dtypes: the dtypes of the weights in the file.
        metadata: of a safetensors file.
        extra_files: contents of small files that belong to the model, by name.
        copies: other copies of the network in the file: the keys that lead to a copy's table, and
            the file's names of its weights.
        content: everything that was in the file.
    """

    container: Container
    file: str
    keys: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    dtypes: Mapping[str, torch.dtype] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    extra_files: Mapping[str, bytes] = field(default_factory=dict)
    copies: tuple[tuple[tuple[str, ...], Mapping[str, str]], ...] = ()
    content: Any = None


@dataclass(frozen=True, slots=True)
class OpenedModel:
    """An opened model, and what is known about it.

    Args:
        network: on normalized images, unless it is built in and normalizes inside.
        signature: what the network takes and returns.
        input_size: height and width of its images; None if it takes any size.
        normalization: of its images; None if unknown.
        report: lines for the user about the model.
        origin: the format that it was stored in.
        class_names: its classes in the order of its outputs; empty if unknown.
        class_names_source: where the class names come from.
        normalization_from_user: whether the user gave the normalization.
    """

    network: nn.Module
    signature: NetworkSignature
    input_size: tuple[int, int] | None
    normalization: Normalization | None
    report: tuple[str, ...]
    origin: Origin
    class_names: tuple[str, ...] = ()
    class_names_source: str = ""
    normalization_from_user: bool = False

    @property
    def classes(self) -> int:
        return self.signature.classes

    @property
    def channels(self) -> int:
        return self.signature.channels

    @property
    def normalizes_inside(self) -> bool:
        """Whether the network takes pixels in [0, 1] as it is."""
        return isinstance(self.network, Classifier)

    def normalized(self, normalization: Normalization, bgr: bool = False) -> WrappedModel:
        """Wrap the network into a model on pixels in [0, 1].

        Args:
            normalization: mean and standard deviation of each channel, in [0, 1] units.
            bgr: whether the network takes channels in the order blue, green, red, as OpenCV reads
                them.
        """
        return wrap(self.network, self.signature, normalization, bgr)


def finalize(opened: OpenedModel) -> OpenedModel:
    """Check the normalization, fix the input size, and add what the model takes to the report.

    Raises:
        InputError: a normalization that is not for such images.
    """
    signature, normalization = opened.signature, opened.normalization
    if normalization is not None:
        _check_normalization(opened, normalization)
    input_size = opened.input_size or (None if signature.size == PROBE_SIZES[0] else signature.size)
    size = "x".join(map(str, input_size)) if input_size else "any size"
    channels = "1 channel" if signature.channels == 1 else f"{signature.channels} channels"
    line = f"{signature.classes} classes, {channels}, images of {size}"
    features = "" if signature.head else "; its features are not known"
    report = [*opened.report, line + features]
    if signature.link in LINK_DESCRIPTIONS:
        report.append(LINK_DESCRIPTIONS[signature.link])
    return replace(opened, input_size=input_size, report=tuple(report))


def _check_normalization(opened: OpenedModel, normalization: Normalization) -> None:
    mean, std = normalization
    if opened.normalizes_inside:
        raise InputError("a built-in network normalizes inside: leave out mean and std")
    if {len(mean), len(std)} != {opened.channels}:
        raise InputError(
            f"mean and std are for {len(mean)} channels, the model takes {opened.channels}"
        )
    if not all(value > 0 for value in std):
        raise InputError(f"std is {std}: give values above 0")

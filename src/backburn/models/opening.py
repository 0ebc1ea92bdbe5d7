"""Opening a stranger's model, whatever it came in."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from .archives import is_exported, is_torchscript, members
from .assembling import assembled, for_channels
from .checkpoint import Checkpoint, read_checkpoint
from .guessing import likely, recipe_for
from .hub_settings import CONFIG, PREPROCESSOR, named_classes, preprocessing
from .huggingface import WEIGHTS, fetched, is_folder, load_folder
from .networks import Normalization, recipe_named
from .records import OpenedModel, Origin, described
from .scripts import load_script
from .wrapping import examined

LARGEST_MEAN, LARGEST_STD = 1.5, 10.0
"""Of pixels in [0, 1]; larger ones are of pixels from 0 to 255."""
BESIDE = (CONFIG, PREPROCESSOR)
"""What belongs to a folder's model and stays as it is."""


def open_model(
    source: str | Path,
    architecture: str | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    side: int | None = None,
) -> OpenedModel:
    """A network with the weights of a file, in evaluation mode; nothing in the file is executed.

    Args:
        source: weights (.safetensors, or what `torch.save` wrote), a TorchScript archive, a
            Hugging Face folder, or `hf:OWNER/NAME`, which is downloaded.
        architecture: `networks.KNOWN`; not needed for archives, folders and files of our own.
        mean, std: of each channel in [0, 1] units, where the model came without them.
        side: pixels a side of its images; some networks are made for one size.
    Raises:
        InputError: a source that cannot be opened safely, weights that do not fit the network, or
            one of mean and std without the other.
    """
    given = _both(mean, std)
    opened = _opened(source, architecture, given, side)
    if given is None:
        return opened
    said = (mean, std) != given
    line = "mean and std are of pixels from 0 to 255: both are divided by 255"
    return replace(opened, told=True, report=(*opened.report, *([line] if said else [])))


def _opened(
    source: str | Path, architecture: str | None, given: Normalization | None, side: int | None
) -> OpenedModel:
    path = fetched(str(source)[3:]) if str(source).startswith("hf:") else Path(source)
    if is_folder(path):
        return _open_folder(path, given)
    if path.is_file() and architecture is None and path.suffix != ".safetensors":
        names = members(path)
        if is_torchscript(names):
            return _open_script(path, given)
        if is_exported(names):
            raise InputError(
                f"{path} is a torch.export archive, which runs code when it is loaded: name the "
                "network with --arch, and its weights are read without that"
            )
    return _open_weights(path, architecture, given, side)


def open_weights(
    weights: dict[str, Tensor],
    architecture: str,
    where: Path,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> OpenedModel:
    """The same for a state_dict that was read already; `where` names its file in messages."""
    found = Checkpoint(weights, "torch")
    return assembled(recipe_named(architecture), found, where, _both(mean, std))


def _both(mean: tuple[float, ...] | None, std: tuple[float, ...] | None) -> Normalization | None:
    if (mean is None) != (std is None):
        raise InputError("mean without std, or std without mean: give both")
    if mean is None or std is None:
        return None
    if max(map(abs, mean), default=0) > LARGEST_MEAN or max(std, default=0) > LARGEST_STD:
        mean, std = (tuple(value / 255 for value in each) for each in (mean, std))
    return mean, std


def _open_script(path: Path, given: Normalization | None) -> OpenedModel:
    network = load_script(path)
    nature = examined(network)
    report = (f"{path.name}: TorchScript, read through and found to do arithmetic only",)
    return described(
        OpenedModel(network, nature, None, given, report, Origin("torchscript", path.name))
    )


def _open_folder(path: Path, given: Normalization | None) -> OpenedModel:
    network, lines = load_folder(path)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    size, told = preprocessing(path)
    nature = examined(network, size=size)
    beside = {name: (path / name).read_bytes() for name in BESIDE if (path / name).is_file()}
    origin = Origin("huggingface", WEIGHTS, beside=beside)
    normalization = given or for_channels(told, nature.channels)
    opened = OpenedModel(network, nature, size, normalization, lines, origin)
    names = named_classes(path)
    return described(replace(opened, class_names=names, names_from=f"{CONFIG} (id2label)"))


def _open_weights(
    path: Path, architecture: str | None, given: Normalization | None, side: int | None
) -> OpenedModel:
    found = read_checkpoint(path)
    name = architecture or _own(found.architecture)
    if name is None:
        raise InputError(
            f"{path} does not say what network it is for: name it with --arch, such as "
            f"{', '.join(likely(found.weights))} or nets:build (your own function build in nets.py)"
        )
    return assembled(recipe_for(name, found.weights), found, path, given, side)


def _own(name: str | None) -> str | None:
    """A network that a file may name: one of a library, never code to import."""
    base = (name or "").partition(":")[0]
    return name if base in ("timm", "torchvision") or ":" not in (name or ":") else None

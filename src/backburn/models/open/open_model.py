"""Open a model from a checkpoint, a Hugging Face folder, or a trusted program."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import InputError
from ..outputs import remove_probability_layer
from ..wrapping import probe_network
from .build_network import build_network, if_channels_match
from .checkpoint import (
    Checkpoint,
    TrustRequiredError,
    check_weights,
    find_weights,
    read_checkpoint,
)
from .find_network import Normalization, network_spec
from .guess_architecture import guess_architectures, network_spec_for
from .huggingface import WEIGHTS_FILE, fetch_folder, is_model_folder, load_folder
from .huggingface_config import (
    CONFIG_FILE,
    PREPROCESSOR_FILE,
    read_class_names,
    read_preprocessing,
)
from .opened_model import Container, OpenedModel, Origin, finalize
from .trusted_files import Exported, find_module, load_trusted

MAX_MEAN, MAX_STD = 1.5, 10.0
"""Of pixels in [0, 1]; larger values are for pixels from 0 to 255."""
CONFIG_FILES = (CONFIG_FILE, PREPROCESSOR_FILE)
"""Files of a Hugging Face folder that are written again with a changed model."""


def load_model(
    path: str | Path,
    architecture: str | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    trust: bool = False,
) -> nn.Module:
    """Load a model on pixels in [0, 1], in evaluation mode, from any file that opens safely.

    Args:
        path: weights (.safetensors, or a file of `torch.save`), a Hugging Face folder, or
            `hf:OWNER/NAME`, which is downloaded.
        architecture: name of the network; not needed for folders and for files of backburn.
        mean, std: of each channel in [0, 1] units, if the model came without them.
        trust: also open programs and pickled objects, which may run code. Only for files that you
            made yourself.
    Raises:
        InputError: as `open_model` does, or a model whose normalization is neither known nor given.
    """
    opened = open_model(path, architecture, mean, std, trust=trust)
    if opened.normalizes_inside:
        return opened.network
    if opened.normalization is None:
        raise InputError(f"{path} does not say how its images are normalized: give mean and std")
    return opened.normalized(opened.normalization)


def open_model(
    source: str | Path,
    architecture: str | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    side: int | None = None,
    trust: bool = False,
) -> OpenedModel:
    """Open a network with the weights of a file, in evaluation mode.

    Without `trust`, nothing in a file is executed.

    Args:
        source: weights (.safetensors, or a file of `torch.save`), a Hugging Face folder, or
            `hf:OWNER/NAME`, which is downloaded.
        architecture: one of `network_names.KNOWN_NETWORKS`; not needed for folders and for files
            of backburn.
        mean, std: of each channel in [0, 1] units, if the model came without them.
        side: height and width of its images; some networks are made for one size.
        trust: also open programs and pickled objects, which may run code. Only for files that you
            made yourself; each one gives a warning.
    Raises:
        InputError: a source that cannot be opened safely, weights that do not fit the network, or
            one of mean and std without the other.
    """
    normalization = _normalization(mean, std)
    opened = _open(source, architecture, normalization, side, trust)
    if normalization is None:
        return opened
    is_scaled = (mean, std) != normalization
    line = "mean and std are of pixels from 0 to 255: both are divided by 255"
    report = (*opened.report, *([line] if is_scaled else []))
    return replace(opened, normalization_from_user=True, report=report)


def open_weights(
    weights: dict[str, Tensor],
    architecture: str,
    where: Path,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> OpenedModel:
    """Open a network with a state_dict that was read before.

    Args:
        where: the name of its file in messages.
    """
    checkpoint = Checkpoint(weights, "torch")
    return build_network(network_spec(architecture), checkpoint, where, _normalization(mean, std))


def _open(
    source: str | Path,
    architecture: str | None,
    normalization: Normalization | None,
    side: int | None,
    trust: bool,
) -> OpenedModel:
    is_on_hub = str(source).startswith("hf:")
    path = fetch_folder(str(source)[3:]) if is_on_hub else Path(source)
    if is_model_folder(path):
        return _open_folder(path, normalization)
    try:
        checkpoint = read_checkpoint(path)
        return _build_named(checkpoint, path, architecture, normalization, side)
    except TrustRequiredError:
        if not trust:
            raise
    return _open_trusted(path, architecture, normalization, side)


def _normalization(
    mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> Normalization | None:
    """The normalization for pixels in [0, 1]; None if the user gave none."""
    if (mean is None) != (std is None):
        raise InputError("mean without std, or std without mean: give both")
    if mean is None or std is None:
        return None
    if max(map(abs, mean), default=0) > MAX_MEAN or max(std, default=0) > MAX_STD:
        mean, std = (tuple(value / 255 for value in values) for values in (mean, std))
    return mean, std


def _open_trusted(
    path: Path, architecture: str | None, normalization: Normalization | None, side: int | None
) -> OpenedModel:
    """Open a module as it is, or its weights if the user named a network.

    A changed model is later written as a state_dict; a TorchScript model as TorchScript.
    """
    content = find_module(load_trusted(path))
    if not isinstance(content, nn.Module) or architecture is not None:
        content = content.program if isinstance(content, Exported) else content
        weights = content.state_dict() if isinstance(content, nn.Module) else content
        checkpoint = check_weights(find_weights(weights, path), path)
        return _build_named(checkpoint, path, architecture, normalization, side)
    network = content.eval()
    own = check_weights(Checkpoint(dict(network.state_dict()), "torch"), path).weights
    is_exported = isinstance(network, Exported)
    prefix, file = (Exported.PREFIX, "model.safetensors") if is_exported else ("", path.name)
    names = {name: name.removeprefix(prefix) for name in own}
    dtypes = {name: weight.dtype for name, weight in own.items()}
    container: Container = "safetensors" if is_exported else "torch"
    if isinstance(network, torch.jit.ScriptModule):
        container = "torchscript"
    origin = Origin(container, file, names=names, dtypes=dtypes)
    report: tuple[str, ...] = (f"{path.name}: a {type(network).__name__}, opened with trust",)
    size = None if side is None else (side, side)
    signature = probe_network(network, size=size)
    probe = torch.rand(2, signature.channels, *signature.size)
    if line := remove_probability_layer(network, probe):
        signature, report = probe_network(network, size=size), (*report, line)
    return finalize(OpenedModel(network, signature, size, normalization, report, origin))


def _open_folder(path: Path, normalization: Normalization | None) -> OpenedModel:
    network, lines = load_folder(path)
    size, in_folder = read_preprocessing(path)
    signature = probe_network(network, size=size)
    if not signature.contiguous:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    names = [name for name in CONFIG_FILES if (path / name).is_file()]
    extra_files = {name: (path / name).read_bytes() for name in names}
    return finalize(
        OpenedModel(
            network,
            signature,
            size,
            normalization or if_channels_match(in_folder, signature.channels),
            lines,
            Origin("huggingface", WEIGHTS_FILE, extra_files=extra_files),
            class_names=read_class_names(path),
            class_names_source=f"{CONFIG_FILE} (id2label)",
        )
    )


def _build_named(
    checkpoint: Checkpoint,
    path: Path,
    architecture: str | None,
    normalization: Normalization | None,
    side: int | None,
) -> OpenedModel:
    """Build the network that the user or the file names."""
    name = architecture or _library_network(checkpoint.architecture)
    if name is None:
        raise InputError(
            f"{path} does not say what network it is for: name it with --arch, such as "
            f"{', '.join(guess_architectures(checkpoint.weights))} or nets:build "
            "(your own function build in nets.py)"
        )
    spec = network_spec_for(name, checkpoint.weights)
    return build_network(spec, checkpoint, path, normalization, side)


def _library_network(name: str | None) -> str | None:
    """The name if a file may give it: of a built-in or library network, never of code to import."""
    library = (name or "").partition(":")[0]
    return name if library in ("timm", "torchvision") or ":" not in (name or ":") else None

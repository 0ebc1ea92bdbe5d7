"""Opening a stranger's model, whatever it came in."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import InputError
from ..outputs import open_end
from ..wrapping import examined
from .build_network import assembled, for_channels
from .checkpoint import Checkpoint, ProgramError, checked, read_checkpoint, weights_in
from .guess_architecture import likely, recipe_for
from .huggingface import WEIGHTS, fetched, is_folder, load_folder
from .huggingface_config import CONFIG, PREPROCESSOR, named_classes, preprocessing
from .network_names import Normalization, recipe_named
from .opened_model import Container, OpenedModel, Origin, described
from .trusted_files import Exported, module_in, open_trusted

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
    trust: bool = False,
) -> OpenedModel:
    """A network with the weights of a file, in evaluation mode.

    Args:
        source: weights (.safetensors, or what `torch.save` wrote), a Hugging Face folder, or
            `hf:OWNER/NAME`, which is downloaded.
        architecture: `networks.KNOWN`; not needed for folders and files of our own.
        mean, std: of each channel in [0, 1] units, where the model came without them.
        side: pixels a side of its images; some networks are made for one size.
        trust: open programs and pickled objects, too, which may run code: of a file that you made
            yourself. It is warned of each time. Without it nothing in a file is ever executed.
    Raises:
        InputError: a source that cannot be opened safely, weights that do not fit the network, or
            one of mean and std without the other.
    """
    given = _both(mean, std)
    opened = _opened(source, architecture, given, side, trust)
    if given is None:
        return opened
    said = (mean, std) != given
    line = "mean and std are of pixels from 0 to 255: both are divided by 255"
    return replace(opened, told=True, report=(*opened.report, *([line] if said else [])))


def _opened(
    source: str | Path,
    architecture: str | None,
    given: Normalization | None,
    side: int | None,
    trust: bool,
) -> OpenedModel:
    path = fetched(str(source)[3:]) if str(source).startswith("hf:") else Path(source)
    if is_folder(path):
        return _open_folder(path, given)
    try:
        return _open_weights(path, architecture, given, side)
    except ProgramError:
        if not trust:
            raise
    return _open_trusted(path, architecture, given, side)


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


def _open_trusted(
    path: Path, architecture: str | None, given: Normalization | None, side: int | None
) -> OpenedModel:
    """A module as it is, or its weights where the network is named.

    What becomes of it is written as a state_dict, and as TorchScript where it was that.
    """
    held = module_in(open_trusted(path))
    if not isinstance(held, nn.Module) or architecture is not None:
        held = held.program if isinstance(held, Exported) else held
        weights = held.state_dict() if isinstance(held, nn.Module) else held
        found = checked(weights_in(weights, path), path)
        return _with_weights(found, path, architecture, given, side)
    network = held.eval()
    own = checked(Checkpoint(dict(network.state_dict()), "torch"), path).weights
    exported = isinstance(network, Exported)
    prefix, file = (Exported.OWN, "model.safetensors") if exported else ("", path.name)
    names = {name: name.removeprefix(prefix) for name in own}
    types = {name: weight.dtype for name, weight in own.items()}
    kind: Container = "safetensors" if exported else "torch"
    if isinstance(network, torch.jit.ScriptModule):
        kind = "torchscript"
    origin = Origin(kind, file, (), names, types)
    report: tuple[str, ...] = (f"{path.name}: a {type(network).__name__}, opened with trust",)
    size = None if side is None else (side, side)
    nature = examined(network, size=size)
    if line := open_end(network, torch.rand(2, nature.channels, *nature.size)):
        nature, report = examined(network, size=size), (*report, line)
    return described(OpenedModel(network, nature, size, given, report, origin))


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
    return _with_weights(read_checkpoint(path), path, architecture, given, side)


def _with_weights(
    found: Checkpoint,
    path: Path,
    architecture: str | None,
    given: Normalization | None,
    side: int | None,
) -> OpenedModel:
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

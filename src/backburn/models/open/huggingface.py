"""Hugging Face image classifiers: a folder of config.json and safetensors; never their code."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import InputError, first_line
from ...limited_process import rehearse
from ..wrapping import examined
from .checkpoint import read_checkpoint, shown
from .huggingface_config import CONFIG, PREPROCESSOR, preprocessing, read_settings
from .match_weights import first_few
from .network_names import library

WEIGHTS = "model.safetensors"
FILES = (CONFIG, PREPROCESSOR, WEIGHTS)
SLACK = 4
"""A network may have so many times the weights of its file, where some are used twice."""


def is_folder(path: Path) -> bool:
    """Whether a folder holds a Hugging Face model."""
    return (path / CONFIG).is_file()


def fetched(name: str) -> Path:
    """The folder of `hf:OWNER/NAME`: a folder here, or downloaded because the user named it.

    Raises:
        InputError: neither, or no network.
    """
    if Path(name).is_dir():
        return Path(name)
    hub = library("huggingface_hub", "pip install huggingface_hub")
    try:
        return Path(hub.snapshot_download(name, allow_patterns=list(FILES)))
    except Exception as error:  # the Hub's client fails in many ways
        raise InputError(
            f"hf:{name} is no folder, and cannot be fetched from the Hub: {first_line(error)}"
        ) from error


def load_folder(folder: Path) -> tuple[nn.Module, tuple[str, ...]]:
    """The network that a folder's config.json describes, with the weights beside it.

    Names of weights are translated as transformers does it. The configuration may ask for anything,
    so that another process tries first, within limits.
    Returns:
        The network in evaluation mode, and lines for people.
    Raises:
        InputError: a configuration that cannot be read, or of a network that transformers does
            not have itself; weights that do not fit it; a network that takes too long or too much.
    """
    if not (folder / WEIGHTS).is_file():
        raise InputError(
            f"{folder} has no {WEIGHTS}: save the model with save_pretrained, in one shard"
        )
    read_checkpoint(folder / WEIGHTS)
    _known(read_settings(folder / CONFIG), folder)
    rehearse(__name__, folder, (folder / WEIGHTS).stat().st_size)
    return _load(folder)


def load_encoder(folder: Path) -> nn.Module:
    """The same without its head: what was pretrained, whatever it was pretrained for.

    Raises:
        InputError: as `load_folder` does.
    """
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"{folder} has no {WEIGHTS}: save the model with save_pretrained")
    read_checkpoint(folder / WEIGHTS)
    _known(read_settings(folder / CONFIG), folder, ENCODER)
    rehearse("backburn.models.open.encoders", folder, (folder / WEIGHTS).stat().st_size)
    return built_encoder(folder)


def built_encoder(folder: Path) -> nn.Module:
    """What `load_encoder` returns, without trying it elsewhere first."""
    return _load(folder, ENCODER)[0]


def prepared() -> None:
    """Have what `tried` needs, which takes seconds."""
    _ = transformers_library().AutoModelForImageClassification


def tried(folder: Path) -> None:
    """What `load_folder` and whoever asks the network then will do."""
    network, _ = _load(folder)
    examined(network, size=preprocessing(folder)[0])


class Wanted(NamedTuple):
    """What of transformers is to be built: a class, those it can be of, and in words.

    `spare` are layers that weights may lack.
    """

    builder: str
    known: str
    words: str
    spare: tuple[str, ...] = ()


CLASSIFIER = Wanted(
    "AutoModelForImageClassification",
    "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "an image classifier",
)
ENCODER = Wanted("AutoModel", "MODEL_MAPPING_NAMES", "an encoder", ("pooler.",))


def _known(settings: dict[str, Any], folder: Path, wanted: Wanted = CLASSIFIER) -> str:
    """The model's type, which transformers has itself."""
    auto, kind = transformers_library().models.auto, settings.get("model_type")
    known = getattr(auto.modeling_auto, wanted.known)
    if not isinstance(kind, str) or kind not in known or kind.startswith("timm"):
        raise InputError(
            f"{folder / CONFIG} is of model_type {shown(kind)}, which transformers cannot build "
            f"as {wanted.words}; code that comes with a model is never run"
        )
    return kind


def _load(folder: Path, wanted: Wanted = CLASSIFIER) -> tuple[nn.Module, tuple[str, ...]]:
    settings, found = read_settings(folder / CONFIG), read_checkpoint(folder / WEIGHTS)
    transformers, kind = transformers_library(), _known(settings, folder, wanted)
    try:
        with _quiet(transformers):
            config = transformers.models.auto.configuration_auto.CONFIG_MAPPING[kind]
            network, info = _loaded(transformers, config.from_dict(settings), found.weights, wanted)
    except Exception as error:  # whatever a wrong setting leads to
        raise InputError(f"{folder} does not make a {kind}: {first_line(error)}") from error
    _check_info(info, folder, kind, wanted.spare)
    lines = [f"{WEIGHTS}: {len(found.weights)} weights matched by name to the {kind} of {CONFIG}"]
    if unused := sorted(map(shown, info["unexpected_keys"])):
        lines.append(f"{len(unused)} not used: {first_few(unused)}")
    return network.eval(), tuple(lines)


def transformers_library() -> Any:
    """The library, which needs no torchvision, but fails where there is one that does not load."""
    if find_spec("torchvision"):
        library("torchvision", "pip install torchvision")
    return library("transformers", "pip install transformers")


def _loaded(
    transformers: Any, config: Any, weights: dict[str, Tensor], wanted: Wanted
) -> tuple[nn.Module, dict[str, Any]]:
    """The network with the weights, once it is known to be no larger than they are."""
    mapping = getattr(transformers, wanted.builder)
    with torch.device("meta"):
        sketch = mapping.from_config(config, trust_remote_code=False)
    needed, held = (sum(t.numel() for t in ts) for ts in (sketch.parameters(), weights.values()))
    if needed > SLACK * held:
        raise ValueError(f"it has {needed} weights, the file {held}")
    network, info = type(sketch).from_pretrained(
        None, config=config, state_dict=dict(weights), output_loading_info=True, dtype=torch.float32
    )
    return network, info


def _check_info(info: dict[str, Any], folder: Path, kind: str, spare: tuple[str, ...]) -> None:
    keys = (key for key in info["missing_keys"] if not any(part in key for part in spare))
    missing = sorted(map(shown, keys))
    shapes = sorted(shown(key[0]) for key in info["mismatched_keys"])
    if missing or shapes or info["error_msgs"]:
        few = first_few([*shapes, *missing])
        raise InputError(
            f"{folder / WEIGHTS} does not fit the {kind} of {CONFIG}: {len(missing)} missing, "
            f"{len(shapes)} of another shape: {few}"
        )


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """No progress bars or advice of transformers, while it lasts: we say what matched."""
    said = transformers.utils.logging
    level, bars = said.get_verbosity(), said.is_progress_bar_enabled()
    said.set_verbosity_error()
    said.disable_progress_bar()
    try:
        yield
    finally:
        said.set_verbosity(level)
        if bars:
            said.enable_progress_bar()


def dump_folder(network: Any) -> bytes:
    """The weights of a transformers model as `save_pretrained` names them."""
    with tempfile.TemporaryDirectory() as folder, _quiet(transformers_library()):
        network.save_pretrained(folder, max_shard_size="1TB")
        return (Path(folder) / WEIGHTS).read_bytes()

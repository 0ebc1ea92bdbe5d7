"""Open folders of Hugging Face models: config.json and safetensors, never code that they bring."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import InputError, first_line
from ...limited_process import run_limited
from ..wrapping import probe_network
from .checkpoint import format_key, read_checkpoint
from .find_network import import_library
from .huggingface_config import CONFIG_FILE, PREPROCESSOR_FILE, read_preprocessing, read_settings
from .match_weights import first_few

WEIGHTS_FILE = "model.safetensors"
MODEL_FILES = (CONFIG_FILE, PREPROCESSOR_FILE, WEIGHTS_FILE)
MAX_SIZE_RATIO = 4
"""Ratio of a network's weights to those in its file; shared weights count several times."""


def is_model_folder(path: Path) -> bool:
    """Return whether a folder holds a Hugging Face model."""
    return (path / CONFIG_FILE).is_file()


def fetch_folder(name: str) -> Path:
    """Return the folder of `hf:OWNER/NAME`: a local one, or a download from the Hub.

    Raises:
        InputError: there is neither, or the Hub can't be reached.
    """
    if Path(name).is_dir():
        return Path(name)
    hub = import_library("huggingface_hub", "pip install huggingface_hub")
    try:
        return Path(hub.snapshot_download(name, allow_patterns=list(MODEL_FILES)))
    except Exception as error:  # the Hub's client fails in many ways
        raise InputError(
            f"hf:{name} is no folder, and cannot be fetched from the Hub: {first_line(error)}"
        ) from error


def load_folder(folder: Path) -> tuple[nn.Module, tuple[str, ...]]:
    """Load the image classifier in a folder.

    transformers translates the names of the weights. The configuration may ask for any amount of
    memory and time, so that another process loads the network first, within limits.

    Returns:
        The network in evaluation mode, and lines for the user.
    Raises:
        InputError: a configuration that cannot be read, a network that is not part of
            transformers, weights that do not fit it, or a network that exceeds the limits.
    """
    if not (folder / WEIGHTS_FILE).is_file():
        raise InputError(
            f"{folder} has no {WEIGHTS_FILE}: save the model with save_pretrained, in one shard"
        )
    read_checkpoint(folder / WEIGHTS_FILE)
    _model_type(read_settings(folder / CONFIG_FILE), folder)
    run_limited(__name__, folder, (folder / WEIGHTS_FILE).stat().st_size)
    return _load(folder)


def load_encoder(folder: Path) -> nn.Module:
    """Load the network in a folder without its head, in evaluation mode.

    Raises:
        InputError: as `load_folder` does.
    """
    if not (folder / WEIGHTS_FILE).is_file():
        raise InputError(f"{folder} has no {WEIGHTS_FILE}: save the model with save_pretrained")
    read_checkpoint(folder / WEIGHTS_FILE)
    _model_type(read_settings(folder / CONFIG_FILE), folder, ENCODER)
    run_limited("backburn.models.open.open_encoder", folder, (folder / WEIGHTS_FILE).stat().st_size)
    return build_encoder(folder)


def build_encoder(folder: Path) -> nn.Module:
    """Build what `load_encoder` returns, without the trial in another process."""
    return _load(folder, ENCODER)[0]


def warm_up() -> None:
    """Import what `dry_run` needs, which takes seconds."""
    _ = import_transformers().AutoModelForImageClassification


def dry_run(folder: Path) -> None:
    """Load and run a network as `load_folder` and its caller will do."""
    network, _ = _load(folder)
    probe_network(network, size=read_preprocessing(folder)[0])


class AutoClass(NamedTuple):
    """An auto class of transformers.

    Args:
        name: of the class.
        mapping: the name of the mapping with its model types.
        description: what it builds, for messages.
        optional: parts of the names of weights that a file may lack.
    """

    name: str
    mapping: str
    description: str
    optional: tuple[str, ...] = ()


CLASSIFIER = AutoClass(
    "AutoModelForImageClassification",
    "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "an image classifier",
)
ENCODER = AutoClass("AutoModel", "MODEL_MAPPING_NAMES", "an encoder", ("pooler.",))


def _model_type(settings: dict[str, Any], folder: Path, auto_class: AutoClass = CLASSIFIER) -> str:
    """Read the model type; refuse types that are not part of transformers."""
    auto, model_type = import_transformers().models.auto, settings.get("model_type")
    known = getattr(auto.modeling_auto, auto_class.mapping)
    if not isinstance(model_type, str) or model_type not in known or model_type.startswith("timm"):
        raise InputError(
            f"{folder / CONFIG_FILE} is of model_type {format_key(model_type)}, which transformers "
            f"cannot build as {auto_class.description}; code that comes with a model is never run"
        )
    return model_type


def _load(folder: Path, auto_class: AutoClass = CLASSIFIER) -> tuple[nn.Module, tuple[str, ...]]:
    settings = read_settings(folder / CONFIG_FILE)
    weights = read_checkpoint(folder / WEIGHTS_FILE).weights
    transformers, model_type = import_transformers(), _model_type(settings, folder, auto_class)
    try:
        with _quiet(transformers):
            mapping = transformers.models.auto.configuration_auto.CONFIG_MAPPING
            config = mapping[model_type].from_dict(settings)
            network, info = _build(transformers, config, weights, auto_class)
    except Exception as error:  # a wrong setting may fail in any way
        raise InputError(f"{folder} does not make a {model_type}: {first_line(error)}") from error
    _check_info(info, folder, model_type, auto_class.optional)
    lines = [
        f"{WEIGHTS_FILE}: {len(weights)} weights matched by name to the {model_type} of "
        f"{CONFIG_FILE}"
    ]
    if unused := sorted(map(format_key, info["unexpected_keys"])):
        lines.append(f"{len(unused)} not used: {first_few(unused)}")
    return network.eval(), tuple(lines)


def import_transformers() -> Any:
    """Import transformers.

    It needs no torchvision, but fails with one that cannot be loaded, which is reported first.
    """
    if find_spec("torchvision"):
        import_library("torchvision", "pip install torchvision")
    return import_library("transformers", "pip install transformers")


def _build(
    transformers: Any, config: Any, weights: dict[str, Tensor], auto_class: AutoClass
) -> tuple[nn.Module, dict[str, Any]]:
    """Build the network with its weights, after a check that it is no larger than these."""
    factory = getattr(transformers, auto_class.name)
    with torch.device("meta"):
        skeleton = factory.from_config(config, trust_remote_code=False)
    needed = sum(parameter.numel() for parameter in skeleton.parameters())
    available = sum(tensor.numel() for tensor in weights.values())
    if needed > MAX_SIZE_RATIO * available:
        raise ValueError(f"it has {needed} weights, the file {available}")
    network, info = type(skeleton).from_pretrained(
        None, config=config, state_dict=dict(weights), output_loading_info=True, dtype=torch.float32
    )
    return network, info


def _check_info(
    info: dict[str, Any], folder: Path, model_type: str, optional: tuple[str, ...]
) -> None:
    """Refuse weights that are missing or of another shape, as transformers reports them."""
    keys = (key for key in info["missing_keys"] if not any(part in key for part in optional))
    missing = sorted(map(format_key, keys))
    shapes = sorted(format_key(key[0]) for key in info["mismatched_keys"])
    if missing or shapes or info["error_msgs"]:
        few = first_few([*shapes, *missing])
        raise InputError(
            f"{folder / WEIGHTS_FILE} does not fit the {model_type} of {CONFIG_FILE}: "
            f"{len(missing)} missing, {len(shapes)} of another shape: {few}"
        )


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Turn off the progress bars and advice of transformers; our report says what matched."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def dump_folder_weights(network: Any) -> bytes:
    """Write the weights of a transformers model as safetensors, named as by `save_pretrained`."""
    with tempfile.TemporaryDirectory() as folder, _quiet(import_transformers()):
        network.save_pretrained(folder, max_shard_size="1TB")
        return (Path(folder) / WEIGHTS_FILE).read_bytes()

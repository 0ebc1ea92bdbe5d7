"""Pretrained weights and networks, from a file or by a name of a library."""

from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import InputError, first_line, unknown_name
from .checkpoint import read_checkpoint
from .find_network import import_library
from .huggingface import WEIGHTS_FILE, fetch_folder, is_model_folder

LIBRARIES = ("timm", "torchvision")


def pretrained_weights(source: str) -> dict[str, Tensor]:
    """Read a state_dict; nothing in a file is executed.

    Args:
        source: a file of weights, a Hugging Face folder, or a name: `timm:NAME`,
            `torchvision:NAME` or `hf:OWNER/NAME`, which is downloaded unless it is cached.
    Raises:
        InputError: no such file or name, no network, or a file that cannot be opened safely.
    """
    kind, colon, name = source.partition(":")
    if colon and kind in LIBRARIES:
        return dict(pretrained_network(source).state_dict())
    path = fetch_folder(name) if colon and kind == "hf" else Path(source)
    return read_checkpoint(path / WEIGHTS_FILE if is_model_folder(path) else path).weights


def pretrained_network(source: str, **settings: Any) -> Any:
    """Build a network of timm or torchvision with its pretrained weights.

    Args:
        source: `timm:NAME` or `torchvision:NAME`.
        settings: arguments of the library's own function.
    Raises:
        InputError: no such network, or weights that cannot be downloaded.
    """
    kind, _, name = source.partition(":")
    if kind == "timm":
        timm = import_library("timm", "pip install timm torchvision")
        if not timm.is_model(name):
            raise unknown_name("network", name, timm.list_models(), "timm")
        try:
            return timm.create_model(name, pretrained=True, **settings)
        except Exception as error:  # the Hub's client fails in many ways
            raise _unavailable(source, error) from error
    models = import_library("torchvision.models", "pip install torchvision")
    if name not in (names := models.list_models(module=models)):
        raise unknown_name("network", name, names, "torchvision")
    try:
        return models.get_model(name, weights="DEFAULT", **settings)
    except Exception as error:
        raise _unavailable(source, error) from error


def _unavailable(source: str, error: Exception) -> InputError:
    return InputError(
        f"the weights of {source} cannot be had here ({first_line(error)}): give a file of them"
    )

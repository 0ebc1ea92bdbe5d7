"""Weights that a network was fine-tuned from, as a file or as a name of a library."""

from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import InputError, first_line, unknown_name
from .checkpoint import read_checkpoint
from .huggingface import WEIGHTS, fetched, is_folder
from .network_names import library

LIBRARIES = ("timm", "torchvision")


def pretrained_weights(source: str) -> dict[str, Tensor]:
    """A state_dict; nothing of a file is ever executed.

    Args:
        source: a file of weights, a Hugging Face folder, or a name: `timm:NAME`,
            `torchvision:NAME`, `hf:OWNER/NAME`, which is downloaded where it is not at hand.
    Raises:
        InputError: no such file or name, no network, or a file that cannot be opened safely.
    """
    kind, colon, name = source.partition(":")
    if colon and kind in LIBRARIES:
        return dict(pretrained_network(source).state_dict())
    path = fetched(name) if colon and kind == "hf" else Path(source)
    return read_checkpoint(path / WEIGHTS if is_folder(path) else path).weights


def pretrained_network(source: str, **settings: Any) -> Any:
    """A network of timm or torchvision with the weights that the library has for it.

    Args:
        settings: of the network, as its library takes them.
    Raises:
        InputError: no such network, or weights that cannot be had.
    """
    kind, _, name = source.partition(":")
    if kind == "timm":
        timm = library("timm", "pip install timm torchvision")
        if not timm.is_model(name):
            raise unknown_name("network", name, timm.list_models(), "timm")
        try:
            return timm.create_model(name, pretrained=True, **settings)
        except Exception as error:  # the Hub's client fails in many ways
            raise _not_to_be_had(source, error) from error
    models = library("torchvision.models", "pip install torchvision")
    if name not in (known := models.list_models(module=models)):
        raise unknown_name("network", name, known, "torchvision")
    try:
        return models.get_model(name, weights="DEFAULT", **settings)
    except Exception as error:
        raise _not_to_be_had(source, error) from error


def _not_to_be_had(source: str, error: Exception) -> InputError:
    return InputError(
        f"the weights of {source} cannot be had here ({first_line(error)}): give a file of them"
    )

"""Saving weights, and opening a model on pixels in [0, 1] in one step."""

import json
from pathlib import Path

from safetensors.torch import save
from torch import nn

from ...errors import InputError
from ..classifier import Classifier
from .open_model import open_model


def dump_model(model: Classifier) -> bytes:
    """The model as safetensors bytes, with the architecture's name in the metadata."""
    architecture = model.architecture
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return save(weights, metadata={"backburn": json.dumps({"architecture": architecture})})


def load_model(
    path: str | Path,
    architecture: str | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    trust: bool = False,
) -> nn.Module:
    """A model on pixels in [0, 1], in evaluation mode, out of any file that can be opened safely.

    Arguments are those of `opening.open_model`: with `trust`, programs and pickles are opened, too.

    Raises:
        InputError: as there, or a model whose normalization is neither known nor given.
    """
    opened = open_model(path, architecture, mean, std, trust=trust)
    if opened.settled:
        return opened.network
    if opened.normalization is None:
        raise InputError(f"{path} does not say how its images are normalized: give mean and std")
    return opened.normalized(opened.normalization)

"""Write a model to bytes, in our own format or in the format that it was opened from."""

import io
import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ..errors import InputError
from .nets.base import Classifier
from .open.huggingface import WEIGHTS_FILE, dump_folder_weights
from .open.opened_model import Origin
from .wrapping import WrappedModel


def dump_model(model: Classifier) -> bytes:
    """Write a built-in model as safetensors, with the name of its architecture as metadata."""
    architecture = model.architecture
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return save(weights, metadata={"backburn": json.dumps({"architecture": architecture})})


def dump_weights(model: nn.Module) -> bytes:
    """Write the weights of any module as safetensors, by its own names.

    Weights that share memory are copied.
    """
    weights = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    return save({name: tensor.contiguous().clone() for name, tensor in weights.items()})


def dump_like(origin: Origin, model: nn.Module) -> dict[str, bytes]:
    """Write a model in the format that it was opened from.

    Weights keep their names, dtypes and places in the file. Everything else in the file stays as
    it was, so that the result loads wherever the original did. Other copies of the network in the
    file, such as averages, get the same weights. Normalization is not written to a file that came
    without it.

    Returns:
        The contents of the files by name: `model` with the suffix of the original, or the files of
        the folder `model`.
    Raises:
        InputError: a model that has other weights than the one that was opened.
    """
    network = model.net if isinstance(model, WrappedModel) else model
    if origin.container == "torchscript":
        return {_file_name(origin): _to_torchscript(network)}
    if origin.container == "huggingface":
        extra_files = {f"model/{name}": content for name, content in origin.extra_files.items()}
        return {**extra_files, f"model/{WEIGHTS_FILE}": dump_folder_weights(network)}
    content = origin.content if isinstance(origin.content, dict) else {}
    content = _with_weights(content, origin.keys, _file_weights(origin, origin.names, network))
    for keys, names in origin.copies:
        content = _with_weights(content, keys, _file_weights(origin, names, network))
    if origin.container == "safetensors":
        saved = save(content, metadata=dict(origin.metadata) or None)
        return {_file_name(origin): _with_sorted_metadata(saved)}
    return {_file_name(origin): _to_torch(content)}


def _file_name(origin: Origin) -> str:
    suffix = origin.file.rpartition(".")[2] if "." in origin.file else "pt"
    return f"model.{suffix}"


def _file_weights(
    origin: Origin, names: Mapping[str, str], network: nn.Module
) -> dict[str, Tensor]:
    """The network's weights by the file's names, each in memory of its own."""
    own = network.state_dict()
    if missing := next((name for name in names if name not in own), None):
        raise InputError(f"{missing!r} is not in this model: give the one that was opened, changed")
    return {
        file_name: own[name].detach().cpu().to(origin.dtypes[name]).contiguous().clone()
        for name, file_name in names.items()
    }


def _with_weights(
    content: Mapping[str, Any], keys: tuple[str, ...], weights: dict[str, Tensor]
) -> Any:
    """The content of a file with other weights at the path `keys`; the order of entries stays."""
    if not keys:
        return {**content, **weights}
    first, *rest = keys
    return {**content, first: _with_weights(content.get(first, {}), tuple(rest), weights)}


def _with_sorted_metadata(content: bytes) -> bytes:
    """The same file with sorted metadata, since safetensors writes them in a random order."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at an aligned offset
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _to_torch(content: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _to_torchscript(network: nn.Module) -> bytes:
    if not isinstance(network, torch.jit.ScriptModule):
        raise InputError("only a TorchScript model can be written as a TorchScript archive")
    buffer = io.BytesIO()
    torch.jit.save(network, buffer)
    return buffer.getvalue()

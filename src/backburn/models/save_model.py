"""A changed model, in the format that the given one came in."""

import io
import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ..errors import InputError
from .open.huggingface import WEIGHTS, dump_folder
from .open.opened_model import Origin
from .wrapping import Wrapped


def dump_like(origin: Origin, model: nn.Module) -> dict[str, bytes]:
    """The files of a model, named and laid out as those that it came from.

    Weights have the names, types and place in the file that they had, and all else in the file
    stays as it was, so that it loads wherever that one did; other copies of the network in it, such
    as averages, become the same model. Normalization is not part of a file that came without it.
    Returns:
        `model` with the suffix of the file, or what is in the folder `model`.
    Raises:
        InputError: a model that has other weights than the one that was opened.
    """
    network = model.net if isinstance(model, Wrapped) else model
    if origin.container == "torchscript":
        return {_file(origin): _script(network)}
    if origin.container == "huggingface":
        beside = {f"model/{name}": content for name, content in origin.beside.items()}
        return {**beside, f"model/{WEIGHTS}": dump_folder(network)}
    held = origin.held if isinstance(origin.held, dict) else {}
    held = _replaced(held, origin.keys, _weights(origin, origin.names, network))
    for keys, names in origin.twins:
        held = _replaced(held, keys, _weights(origin, names, network))
    if origin.container == "safetensors":
        return {_file(origin): _in_order(save(held, metadata=dict(origin.metadata) or None))}
    return {_file(origin): _saved(held)}


def dump_weights(model: nn.Module) -> bytes:
    """The weights of any module as safetensors, by its own names, each in memory of its own."""
    weights = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    return save({name: tensor.contiguous().clone() for name, tensor in weights.items()})


def _file(origin: Origin) -> str:
    suffix = origin.file.rpartition(".")[2] if "." in origin.file else "pt"
    return f"model.{suffix}"


def _weights(origin: Origin, names: Mapping[str, str], network: nn.Module) -> dict[str, Tensor]:
    """The network's weights by the file's names, each in memory of its own."""
    own = network.state_dict()
    if lacking := next((name for name in names if name not in own), None):
        raise InputError(f"{lacking!r} is not in this model: give the one that was opened, changed")
    return {
        theirs: own[name].detach().cpu().to(origin.types[name]).contiguous().clone()
        for name, theirs in names.items()
    }


def _replaced(held: Mapping[str, Any], keys: tuple[str, ...], weights: dict[str, Tensor]) -> Any:
    """The table with other weights where `keys` lead to; its entries keep their order."""
    if not keys:
        return {**held, **weights}
    first, *rest = keys
    return {**held, first: _replaced(held.get(first, {}), tuple(rest), weights)}


def _in_order(content: bytes) -> bytes:
    """The same file with its metadata by name; safetensors writes them in any order."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin where they can be mapped
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _saved(held: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(held, buffer)
    return buffer.getvalue()


def _script(network: nn.Module) -> bytes:
    if not isinstance(network, torch.jit.ScriptModule):
        raise InputError("only a TorchScript model can be written as a TorchScript archive")
    buffer = io.BytesIO()
    torch.jit.save(network, buffer)
    return buffer.getvalue()

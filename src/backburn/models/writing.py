"""A changed model, in the format that the given one came in."""

import io
import json
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ..errors import InputError
from .huggingface import WEIGHTS, dump_folder
from .records import Origin
from .wrapping import Wrapped


def dump_like(origin: Origin, model: nn.Module) -> dict[str, bytes]:
    """The files of a model, named and laid out as those that it came from.

    Weights have the names, types and place in the file that they had; what lay beside them in a
    checkpoint (an optimiser, averages) is left out, as it belongs to another model. Normalization
    is not part of a file that came without it.
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
    weights = _weights(origin, network)
    if origin.container == "safetensors":
        return {_file(origin): _in_order(save(weights, metadata=dict(origin.metadata) or None))}
    return {_file(origin): _nested(origin.keys, weights)}


def _file(origin: Origin) -> str:
    suffix = origin.file.rpartition(".")[2] if "." in origin.file else "pt"
    return f"model.{suffix}"


def _weights(origin: Origin, network: nn.Module) -> dict[str, Tensor]:
    """The network's weights by the file's names, each in memory of its own."""
    own = network.state_dict()
    if lacking := next((name for name in origin.names if name not in own), None):
        raise InputError(f"{lacking!r} is not in this model: give the one that was opened, changed")
    return {
        theirs: own[name].detach().cpu().to(origin.types[name]).contiguous().clone()
        for name, theirs in origin.names.items()
    }


def _in_order(content: bytes) -> bytes:
    """The same file with its metadata by name; safetensors writes them in any order."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin where they can be mapped
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _nested(keys: tuple[str, ...], weights: dict[str, Tensor]) -> bytes:
    held: dict[str, Any] = weights
    for key in reversed(keys):
        held = {key: held}
    buffer = io.BytesIO()
    torch.save(held, buffer)
    return buffer.getvalue()


def _script(network: nn.Module) -> bytes:
    if not isinstance(network, torch.jit.ScriptModule):
        raise InputError("only a TorchScript model can be written as a TorchScript archive")
    buffer = io.BytesIO()
    torch.jit.save(network, buffer)
    return buffer.getvalue()

"""Weights out of a stranger's file: tensors only, never code."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..errors import InputError, first_line
from .archives import is_exported, is_torchscript, members
from .exported import exported_weights
from .pickles import check_pickles

Container: TypeAlias = Literal["safetensors", "torch"]

KEYS = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
    "state_dict_ema",
    "ema_state_dict",
    "model_ema",
    "ema",
    "params_ema",
)
"""Where a state_dict lies in a checkpoint, in the order in which it is looked for."""
DEPTH = 3
PLAIN = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
PLAIN |= {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool}
"""Types of numbers that weights and counters come in."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights of a file, by the names that they have there.

    `keys` is the way to the state_dict in it, `beside` the keys that were passed over on that way,
    `architecture` what a file that backburn wrote says of itself.
    """

    weights: dict[str, Tensor]
    container: Container
    keys: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    architecture: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_checkpoint(path: Path) -> Checkpoint:
    """The weights in a .safetensors file, or in whatever `torch.save` wrote; nothing is executed.

    Raises:
        InputError: no such file, one that is broken or holds more than tensors, a pickle that asks
            for code, NaN or infinite weights, tensors that are larger than their file.
    """
    if not path.is_file():
        raise InputError(f"no model file at {path}: give a .safetensors or .pt file")
    found = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    size = path.stat().st_size
    for name, tensor in found.weights.items():
        _check(name, tensor, size, path)
    return found


def shown(name: object) -> str:
    """A key as it may be shown: on one line, and no longer than it has to be."""
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError) as error:
        what = first_line(error)
        raise InputError(f"{path} is not a safetensors file, or broken: {what}") from error
    return Checkpoint(weights, "safetensors", (), (), _architecture(metadata), metadata)


def _torch(path: Path) -> Checkpoint:
    names = members(path)
    if is_exported(names):
        return Checkpoint(exported_weights(path), "safetensors")
    if is_torchscript(names):
        raise InputError(f"{path} is a TorchScript archive: give it without --arch")
    try:
        check_pickles(path, zipped=names is not None)
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=names is not None)
    except Exception as error:  # torch.load fails in many ways on a foreign file
        raise InputError(
            f"{path} does not open as plain weights (tensors only; code in a checkpoint is never "
            f"run): {_reason(error)}; save its state_dict as .safetensors"
        ) from error
    keys, weights = _state_dict(held, path)
    beside = tuple(shown(key) for key in held if key not in keys) if keys else ()
    return Checkpoint(weights, "torch", keys, beside)


def _reason(error: Exception) -> str:
    """What was wrong, out of torch's page of advice, which includes how to run the code."""
    text = " ".join(str(error).split()) or type(error).__name__
    asked = re.search(r"GLOBAL ([\w.]+)", text)
    if asked:
        return f"it asks for {asked[1][:80]}"
    what = text.rpartition("WeightsUnpickler error: ")[2]
    return re.split(r"\. |, which| Check the documentation", what)[0][:120].rstrip(".: ")


def _state_dict(held: Any, path: Path) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """The first state_dict under the usual keys, and the keys that lead to it."""
    keys: tuple[str, ...] = ()
    for _ in range(DEPTH):
        if not isinstance(held, dict):
            break
        if held and any(isinstance(value, Tensor) for value in held.values()):
            return keys, _tensors(held, path)
        key = next((key for key in KEYS if isinstance(held.get(key), dict)), None)
        if key is None:
            break
        keys, held = (*keys, key), held[key]
    kind = f"keys {', '.join(map(shown, list(held)[:5]))}" if isinstance(held, dict) else type(held)
    raise InputError(f"{path} holds no state_dict, but {kind}: save model.state_dict() on its own")


def _tensors(held: dict[Any, Any], path: Path) -> dict[str, Tensor]:
    for name, value in held.items():
        if not isinstance(value, Tensor) or not isinstance(name, str):
            raise InputError(
                f"{path} holds no plain state_dict: {shown(name)} is of type "
                f"{type(value).__name__}; save model.state_dict() on its own"
            )
    return {name: value.detach() for name, value in held.items()}


def _check(name: str, tensor: Tensor, size: int, path: Path) -> None:
    """A plain tensor that its file can hold, of finite numbers."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.dtype not in PLAIN:
        raise InputError(f"{path}: {shown(name)} is no plain tensor: save dense fp32 weights")
    if tensor.numel() * tensor.element_size() > size:
        raise InputError(
            f"{path}: {shown(name)} of shape {tuple(tensor.shape)} is larger than its file"
        )
    bad = int((~tensor.isfinite()).sum()) if tensor.is_floating_point() else 0
    if bad:
        raise InputError(
            f"{path} is broken: {bad} of {tensor.numel()} values of {shown(name)} are NaN or "
            "infinite; use a checkpoint from before training diverged"
        )


def _architecture(metadata: Mapping[str, str]) -> str | None:
    """The network that a file says it is for; a file may not name code to import."""
    try:
        found = json.loads(metadata.get("backburn") or "{}")
    except (ValueError, RecursionError):
        return None
    name = found.get("architecture") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None

"""Weights out of a stranger's file: tensors only, never code."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...errors import InputError, first_line
from ...memory_mapped import named_plainly
from .archives import members, program_in
from .class_lists import class_list
from .file_kinds import refuse_other_kinds, what_it_is
from .nested_state_dicts import Table, plainly, tables_in
from .pickle_check import ObjectsError, check_pickles

Container: TypeAlias = Literal["safetensors", "torch"]

TRUST_OR = (
    "save its weights with torch.save(model.state_dict(), 'weights.pt') and name the network with "
    "--arch; if you made the file yourself, --trust opens it as it is"
)
"""What to do with a file that is opened on trust only."""
SHARED = 8
"""The tensors of a file may together be so many times its size, where some share their numbers."""
PLAIN = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
PLAIN |= {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool}
"""Types of numbers that weights and counters come in."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights of a file, by the names that they have there.

    `keys` is the way to the state_dict in it, `beside` the keys that were passed over on that way,
    `architecture` what a file that backburn wrote says of itself. `held` is everything in the file,
    `others` what else in it could be a state_dict, `class_names` the classes it lists, in order.
    """

    weights: dict[str, Tensor]
    container: Container
    keys: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    architecture: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    held: Any = None
    others: tuple[Table, ...] = ()
    class_names: tuple[str, ...] = ()

    def instead(self, other: Table, path: Path) -> "Checkpoint":
        """The same file with the weights of another of its tables."""
        _check_all(other.weights, path)
        rest = (Table(self.keys, self.weights), *(each for each in self.others if each != other))
        beside = tuple(shown(key) for key in self.held if key not in other.keys)
        return replace(self, weights=other.weights, keys=other.keys, beside=beside, others=rest)


class ProgramError(InputError):
    """A file that would have to be run, or is no plain weights: it can be opened on trust only."""


def read_checkpoint(path: Path) -> Checkpoint:
    """The weights in a .safetensors file, or in whatever `torch.save` wrote; nothing is executed.

    Raises:
        ProgramError: a program, or a pickle that asks for more than tensors.
        InputError: no such file, one that is broken or holds other things, NaN or infinite
            weights, tensors that are larger than their file.
    """
    if not path.is_file():
        raise InputError(f"no model file at {path}: give a .safetensors or .pt file")
    refuse_other_kinds(path)
    found = _safetensors(path) if path.suffix == ".safetensors" else _torch(path)
    return checked(found, path)


def checked(found: Checkpoint, path: Path) -> Checkpoint:
    """The same weights, which are plain, finite, and no more than their file can hold.

    Raises:
        InputError: other ones.
    """
    _check_all(found.weights, path)
    return found


def shown(name: object) -> str:
    """A key as it may be shown: on one line, and no longer than it has to be."""
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _safetensors(path: Path) -> Checkpoint:
    try:
        with named_plainly(path) as known, safe_open(known, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError) as error:
        what = first_line(error)
        raise InputError(f"{path} is not a safetensors file, or broken: {what}") from error
    return Checkpoint(weights, "safetensors", (), (), _architecture(metadata), metadata, weights)


def _torch(path: Path) -> Checkpoint:
    names = members(path)
    if kind := program_in(names):
        raise ProgramError(f"{path} is a {kind} program, and opening it would run it: {TRUST_OR}")
    try:
        check_pickles(path, zipped=names is not None)
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=names is not None)
    except ObjectsError as error:
        raise ProgramError(
            f"{path} holds more than weights, and opening it could run code: {error}; {TRUST_OR}"
        ) from error
    except Exception as error:  # torch.load fails in many ways on a foreign file
        raise InputError(
            f"{path} does not open as plain weights (tensors only): "
            f"{what_it_is(path, _reason(error))}; save its state_dict as .safetensors"
        ) from error
    return weights_in(held, path)


def _reason(error: Exception) -> str:
    """What was wrong, out of torch's page of advice, which includes how to run the code."""
    text = " ".join(str(error).split()) or type(error).__name__
    what = text.rpartition("WeightsUnpickler error: ")[2]
    return re.split(r"\. |, which| Check the documentation", what)[0][:120].rstrip(".: ")


def weights_in(held: Any, path: Path) -> Checkpoint:
    """The likeliest state_dict in what a file holds, and all else in it.

    Raises:
        InputError: there is none.
    """
    held = plainly(held)
    first, *others = _tables(held, path)
    beside = tuple(shown(key) for key in held if key not in first.keys) if first.keys else ()
    return Checkpoint(
        first.weights,
        "torch",
        first.keys,
        beside,
        held=held,
        others=tuple(others),
        class_names=class_list(held),
    )


def _tables(held: Any, path: Path) -> list[Table]:
    """What in it could be a state_dict, the likeliest first."""
    if found := tables_in(held):
        return found
    kind = f"keys {', '.join(map(shown, list(held)[:5]))}" if isinstance(held, dict) else type(held)
    raise InputError(f"{path} holds no state_dict, but {kind}: save model.state_dict() on its own")


def _check_all(weights: Mapping[str, Tensor], path: Path) -> None:
    size = path.stat().st_size
    for name, tensor in weights.items():
        _check_plain(name, tensor, size, path)
    together = sum(each.numel() * each.element_size() for each in weights.values())
    if together > SHARED * size:
        raise InputError(f"{path}: its tensors have {together} bytes together, it has {size}")
    for name, tensor in weights.items():
        _check_finite(name, tensor, path)


def _check_plain(name: str, tensor: Tensor, size: int, path: Path) -> None:
    """A plain tensor that its file can hold."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.dtype not in PLAIN:
        raise InputError(f"{path}: {shown(name)} is no plain tensor: save dense fp32 weights")
    if tensor.numel() * tensor.element_size() > size:
        raise InputError(
            f"{path}: {shown(name)} of shape {tuple(tensor.shape)} is larger than its file"
        )


def _check_finite(name: str, tensor: Tensor, path: Path) -> None:
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

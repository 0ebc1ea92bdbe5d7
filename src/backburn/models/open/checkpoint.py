"""Read the weights of a checkpoint file: tensors only, code in it is never run."""

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
from ...memory_mapped import utf8_path
from .class_lists import find_class_list
from .file_check import archive_members, check_file_kind, describe_unreadable, program_kind
from .nested_state_dicts import StateDict, find_state_dicts, to_plain_dicts
from .pickle_check import UnsafePickleError, check_pickles

Container: TypeAlias = Literal["safetensors", "torch"]

TRUST_HINT = (
    "save its weights with torch.save(model.state_dict(), 'weights.pt') and name the network with "
    "--arch; if you made the file yourself, --trust opens it as it is"
)
"""What to do with a file that is opened with trust only."""
MAX_SHARING = 8
"""Tensors that share memory may together be this many times the size of their file."""
PLAIN_DTYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
PLAIN_DTYPES |= {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool}
"""Dtypes of weights and counters."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights in a file, by their names there.

    Args:
        weights: the state_dict.
        container: the format of the file.
        keys: the path to the state_dict in the file's nested tables.
        skipped_keys: other keys of the file.
        architecture: the network's name, from a file that backburn wrote.
        metadata: of a safetensors file.
        content: everything in the file.
        others: other tables in the file that could be a state_dict.
        class_names: the classes that the file lists, in order.
    """

    weights: dict[str, Tensor]
    container: Container
    keys: tuple[str, ...] = ()
    skipped_keys: tuple[str, ...] = ()
    architecture: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    content: Any = None
    others: tuple[StateDict, ...] = ()
    class_names: tuple[str, ...] = ()

    def with_state_dict(self, other: StateDict, path: Path) -> "Checkpoint":
        """Return the same file with the weights of another of its tables.

        Raises:
            InputError: weights that `check_weights` refuses.
        """
        _check_all(other.weights, path)
        rest = (table for table in self.others if table != other)
        return replace(
            self,
            weights=other.weights,
            keys=other.keys,
            skipped_keys=tuple(format_key(key) for key in self.content if key not in other.keys),
            others=(StateDict(self.keys, self.weights), *rest),
        )


class TrustRequiredError(InputError):
    """A file that is a program or more than plain weights; it is opened with trust only."""


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the weights in a .safetensors file or in a file of `torch.save`.

    Nothing in the file is executed.

    Raises:
        TrustRequiredError: a program, or a pickle of more than tensors.
        InputError: no such file, a file that is broken or holds other things, NaN or infinite
            weights, or tensors that are larger than their file.
    """
    if not path.is_file():
        raise InputError(f"no model file at {path}: give a .safetensors or .pt file")
    check_file_kind(path)
    checkpoint = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    return check_weights(checkpoint, path)


def check_weights(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """Check that the weights are plain, finite and no more than their file can hold.

    Returns:
        The same checkpoint.
    Raises:
        InputError: they are not.
    """
    _check_all(checkpoint.weights, path)
    return checkpoint


def format_key(name: object) -> str:
    """Quote a key for messages, on one line of at most 80 characters.

    >>> format_key("fc.weight")
    "'fc.weight'"
    """
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with utf8_path(path) as plain, safe_open(plain, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError) as error:
        what = first_line(error)
        raise InputError(f"{path} is not a safetensors file, or broken: {what}") from error
    return Checkpoint(
        weights,
        "safetensors",
        architecture=_architecture(metadata),
        metadata=metadata,
        content=weights,
    )


def _read_torch(path: Path) -> Checkpoint:
    members = archive_members(path)
    if kind := program_kind(members):
        raise TrustRequiredError(
            f"{path} is a {kind} program, and opening it would run it: {TRUST_HINT}"
        )
    zipped = members is not None
    try:
        check_pickles(path, zipped=zipped)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except UnsafePickleError as error:
        raise TrustRequiredError(
            f"{path} holds more than weights, and opening it could run code: {error}; {TRUST_HINT}"
        ) from error
    except Exception as error:  # torch.load fails in many ways on a foreign file
        raise InputError(
            f"{path} does not open as plain weights (tensors only): "
            f"{describe_unreadable(path, _reason(error))}; save its state_dict as .safetensors"
        ) from error
    return find_weights(content, path)


def _reason(error: Exception) -> str:
    """What was wrong, without torch's advice, which includes how to run the code."""
    text = " ".join(str(error).split()) or type(error).__name__
    what = text.rpartition("WeightsUnpickler error: ")[2]
    return re.split(r"\. |, which| Check the documentation", what)[0][:120].rstrip(".: ")


def find_weights(content: Any, path: Path) -> Checkpoint:
    """Find the likeliest state_dict in the content of a file.

    Raises:
        InputError: there is none.
    """
    content = to_plain_dicts(content)
    first, *others = _state_dicts(content, path)
    skipped = (format_key(key) for key in content if key not in first.keys) if first.keys else ()
    return Checkpoint(
        first.weights,
        "torch",
        first.keys,
        tuple(skipped),
        content=content,
        others=tuple(others),
        class_names=find_class_list(content),
    )


def _state_dicts(content: Any, path: Path) -> list[StateDict]:
    """All tables in it that could be a state_dict, the likeliest first."""
    if tables := find_state_dicts(content):
        return tables
    is_table = isinstance(content, dict)
    kind = f"keys {', '.join(map(format_key, list(content)[:5]))}" if is_table else type(content)
    raise InputError(f"{path} holds no state_dict, but {kind}: save model.state_dict() on its own")


def _check_all(weights: Mapping[str, Tensor], path: Path) -> None:
    size = path.stat().st_size
    for name, tensor in weights.items():
        _check_plain(name, tensor, size, path)
    total = sum(tensor.numel() * tensor.element_size() for tensor in weights.values())
    if total > MAX_SHARING * size:
        raise InputError(f"{path}: its tensors have {total} bytes together, it has {size}")
    for name, tensor in weights.items():
        _check_finite(name, tensor, path)


def _check_plain(name: str, tensor: Tensor, size: int, path: Path) -> None:
    """Refuse tensors that are not dense or are larger than their file."""
    is_dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not is_dense or tensor.dtype not in PLAIN_DTYPES:
        raise InputError(f"{path}: {format_key(name)} is no plain tensor: save dense fp32 weights")
    if tensor.numel() * tensor.element_size() > size:
        raise InputError(
            f"{path}: {format_key(name)} of shape {tuple(tensor.shape)} is larger than its file"
        )


def _check_finite(name: str, tensor: Tensor, path: Path) -> None:
    bad = int((~tensor.isfinite()).sum()) if tensor.is_floating_point() else 0
    if bad:
        raise InputError(
            f"{path} is broken: {bad} of {tensor.numel()} values of {format_key(name)} are NaN or "
            "infinite; use a checkpoint from before training diverged"
        )


def _architecture(metadata: Mapping[str, str]) -> str | None:
    """The architecture that a file names; `open_model` never imports code that a file names."""
    try:
        record = json.loads(metadata.get("backburn") or "{}")
    except (ValueError, RecursionError):
        return None
    name = record.get("architecture") if isinstance(record, dict) else None
    return name if isinstance(name, str) else None

"""Safetensors files with a checksum over their content and over what it was computed from."""

import warnings
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..data.tensor_digest import digest
from ..memory_mapped import utf8_path
from ..runs import write_atomic

CHECKSUM_KEY = "sealed"


def write_tensors(path: Path, key: str, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors with a SHA-256 of the key, the names and the values.

    Args:
        key: a digest of everything that the tensors were computed from.
    Raises:
        InputError: the file cannot be written.
    """
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    # a single entry of metadata: safetensors writes several in any order
    write_atomic(path, save(copies, metadata={CHECKSUM_KEY: _checksum(key, copies)}))


def read_tensors(path: Path, key: str) -> dict[str, Tensor] | None:
    """The tensors that `write_tensors` wrote under the same key; None if there is no file.

    A file that is damaged or has another key is ignored with a warning.
    """
    if not path.is_file():
        return None
    try:
        with utf8_path(path) as readable_path, safe_open(readable_path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        tensors, metadata = {}, {}
    if metadata.get(CHECKSUM_KEY) == _checksum(key, tensors):
        return tensors
    warnings.warn(f"{path} is damaged: what it kept is done again", stacklevel=2)
    return None


def _checksum(key: str, tensors: Mapping[str, Tensor]) -> str:
    names = sorted(tensors)
    return digest(f"{key} {names}".encode(), *(tensors[name] for name in names))

"""Tensors in a file that is believed only where it is whole and was made from the same things."""

import warnings
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..data.digest import digest
from ..memory_mapped import named_plainly
from ..runs import write_whole

SEAL = "sealed"


def write_tensors(path: Path, key: str, tensors: Mapping[str, Tensor]) -> None:
    """Write safetensors with a SHA-256 of the key and of everything in them.

    Args:
        key: a digest of all that the tensors were made from.
    Raises:
        InputError: the file cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    # one entry of metadata: safetensors writes several in any order
    write_whole(path, save(plain, metadata={SEAL: _seal(key, plain)}))


def read_tensors(path: Path, key: str) -> dict[str, Tensor] | None:
    """What `write_tensors` wrote there under this key; None where there is nothing.

    A file that is damaged, or of another key, is warned of and not used.
    """
    if not path.is_file():
        return None
    try:
        with named_plainly(path) as known, safe_open(known, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError):
        tensors, metadata = {}, {}
    if metadata.get(SEAL) == _seal(key, tensors):
        return tensors
    warnings.warn(f"{path} is damaged: what it kept is done again", stacklevel=2)
    return None


def _seal(key: str, tensors: Mapping[str, Tensor]) -> str:
    names = sorted(tensors)
    return digest(f"{key} {names}".encode(), *(tensors[name] for name in names))

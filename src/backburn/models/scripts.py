"""TorchScript archives: programs in a small language, read through before they are loaded."""

from pathlib import Path

import torch
from torch import nn

from ..errors import InputError, first_line
from .archives import members
from .programs import Refused, check_program

DATA = ("data/", "constants/", "traced_inputs/", ".data/", "extra/")
FILES = ("data.pkl", "constants.pkl", "traced_inputs.pkl", "version", "byteorder")
"""What an archive holds beside its code."""


def load_script(path: Path) -> nn.Module:
    """A TorchScript archive whose program was read and found to do arithmetic only.

    Raises:
        InputError: a broken archive, a program that names any other operation, code that runs on
            loading, loops without a bound.
    """
    names = members(path) or {}
    try:
        reader = torch._C.PyTorchFileReader(str(path))
        records = reader.get_all_records()
        sources = [reader.get_record(name).decode() for name in records if _is_code(name)]
        _check_members(names)
        _check_classes(b"".join(reader.get_record(name) for name in records if _is_pickle(name)))
        check_program(sources)
        network: nn.Module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
        broken = [name for name, weight in network.state_dict().items() if not _finite(weight)]
    except Refused as error:
        raise InputError(
            f"{path} is a TorchScript program that {error}: save its state_dict and name the "
            "network with --arch"
        ) from error
    except Exception as error:  # a foreign archive may be wrong in any way
        raise InputError(
            f"{path} does not open as a TorchScript archive: {first_line(error)}"
        ) from error
    if broken:
        raise InputError(f"{path} is broken: NaN or infinite values in {broken[0][:60]!r}")
    for weight in network.parameters():
        weight.requires_grad_(False)  # copies of a script's weights that need it are no leaves
    return network.eval()


def _is_code(name: str) -> bool:
    return name.lower().endswith(".py")


def _is_pickle(name: str) -> bool:
    return name.lower().endswith(".pkl")


def _check_classes(pickled: bytes) -> None:
    """Objects of C++ classes rebuild themselves in their own way."""
    if b"torch.classes" in pickled.replace(b"\n", b"."):
        raise Refused("holds objects of C++ classes")


def _check_members(names: dict[str, int]) -> None:
    for name in names:
        if name in FILES or name.startswith(DATA):
            continue
        if not name.startswith("code/") or not name.endswith((".py", ".debug_pkl")):
            raise Refused(f"comes with {name[:60]!r}")


def _finite(weight: torch.Tensor) -> bool:
    return not weight.is_floating_point() or bool(weight.isfinite().all())
